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

    const tell = (input, otherwise = "") => {
        const words = said(input) || otherwise;
        let place = input.nextElementSibling;
        if (!place?.classList.contains("ic-said")) {
            if (!words) return;
            place = document.createElement("div");
            place.className = "ic-dim ic-said";
            input.after(place);
        }
        place.textContent = words;
    };

    // Behind a reference: what stands before the last dot is looked up once, and its fields are offered as well.
    const known = {};
    const behind = async (input) => {
        const list = document.getElementById(input.getAttribute("list"));
        const path = input.value.split(",").pop().trim().split(".").slice(0, -1).join(".");
        if (!path || !list?.dataset.behind) return;
        const key = `${list.id} ${path}`;
        if (!known[key]) {
            const query = new URLSearchParams({side: list.dataset.side, path});
            known[key] = fetch(`${list.dataset.behind}?${query}`).then((answer) => (answer.ok ? answer.json() : {options: []}));
        }
        const found = await known[key];
        for (const [value, label] of found.options) {
            if ([...list.options].some((each) => each.value === value)) continue;
            const made = document.createElement("option");
            made.value = value;
            made.label = label;
            list.append(made);
        }
        if (input.value.includes(path)) tell(input, found.trouble || (found.unread && `The fields of ${found.unread} were not read yet.`));
        if (found.unread && list.dataset.reads !== undefined) offerReading(input, list, path, key);
    };

    const offerReading = (input, list, path, key) => {
        const button = document.createElement("button");
        button.type = "button";
        button.className = "ic-button";
        button.textContent = "Read them";
        button.addEventListener("click", async () => {
            const body = new URLSearchParams({side: list.dataset.side, path});
            const token = document.querySelector("[name=csrfmiddlewaretoken]").value;
            tell(input, "A worker reads them …");
            await fetch(list.dataset.behind, {method: "POST", body, headers: {"X-CSRFToken": token}});
            for (let tries = 0; tries < 60; tries += 1) {
                await new Promise((done) => setTimeout(done, 2000));
                delete known[key];
                const query = new URLSearchParams({side: list.dataset.side, path});
                const found = await (await fetch(`${list.dataset.behind}?${query}`)).json();
                if (!found.unread) return behind(input);
            }
            return tell(input, "Nobody has read them yet: see whether a worker is running.");
        });
        input.nextElementSibling?.append(" ", button);
    };

    const fields = "input[list$='-fields']";
    document.addEventListener("input", (event) => {
        if (event.target.matches(fields)) {
            tell(event.target);
            behind(event.target);
        }
        if (event.target.matches("[data-narrows]")) narrow(event.target);
    });

    document.addEventListener("focusin", (event) => {
        if (event.target.matches("input[id^='id_rows-'][id$='-value'], input[id^='id_rows-'][id$='-default']")) offer(event.target);
    });

    const narrow = (box) => {
        const term = box.value.trim().split(".").pop().toLowerCase();
        const rows = document.querySelectorAll(`${box.dataset.narrows} tbody tr`);
        rows.forEach((row) => {
            const kept = [...row.querySelectorAll("input")].some((input) => input.value);
            row.hidden = !kept && !row.textContent.toLowerCase().includes(term);
        });
    };

    document.querySelectorAll(fields).forEach((input) => {
        tell(input);
        behind(input);
    });
})();
