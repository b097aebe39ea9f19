// Beside a field's name: what the platform says of it. And a list that narrows while one types. Both work without this, by typing.
(() => {
    "use strict";

    const said = (input) => {
        const list = document.getElementById(input.getAttribute("list"));
        const name = input.value.split(",").pop().trim();
        return [...(list ? list.options : [])].find((option) => option.value === name)?.label || "";
    };

    const tell = (input) => {
        const words = said(input);
        let place = input.nextElementSibling;
        if (!place?.classList.contains("ic-said")) {
            if (!words) return;
            place = document.createElement("div");
            place.className = "ic-dim ic-said";
            input.after(place);
        }
        place.textContent = words;
    };

    const fields = "input[list$='-fields']";
    document.addEventListener("input", (event) => {
        if (event.target.matches(fields)) tell(event.target);
        if (event.target.matches("[data-narrows]")) narrow(event.target);
    });

    const narrow = (box) => {
        const term = box.value.trim().toLowerCase();
        const rows = document.querySelectorAll(`${box.dataset.narrows} tbody tr`);
        rows.forEach((row) => {
            const kept = [...row.querySelectorAll("input")].some((input) => input.value);
            row.hidden = !kept && !row.textContent.toLowerCase().includes(term);
        });
    };

    document.querySelectorAll(fields).forEach(tell);
})();
