// Beside a field's name: what the platform says of it. And a list that narrows while one types. Both work without this, by typing.
(() => {
    "use strict";

    const option = (input) => {
        const list = document.getElementById(input?.getAttribute("list"));
        const name = input?.value.split(",").pop().trim();
        return [...(list ? list.options : [])].find((each) => each.value === name);
    };

    const said = (input) => option(input)?.label || "";

    // A constant and a default are offered the values of the field that they are written to.
    const offer = (input) => {
        const there = document.getElementById(input.id.replace(/-(value|default)$/, "-salesforce"));
        const values = JSON.parse(option(there)?.dataset.values || "[]");
        let list = document.getElementById("constant-values");
        if (!list) {
            list = document.createElement("datalist");
            list.id = "constant-values";
            document.body.append(list);
        }
        list.replaceChildren(...values.map(([value, label]) => {
            const made = document.createElement("option");
            made.value = value;
            if (label !== value) made.label = label;
            return made;
        }));
        input.setAttribute("list", list.id);
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

    document.addEventListener("focusin", (event) => {
        if (event.target.matches("input[id^='id_rows-'][id$='-value'], input[id^='id_rows-'][id$='-default']")) offer(event.target);
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
