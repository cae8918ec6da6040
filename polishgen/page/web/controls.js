// Settings of a run: sliders from the server's record of parameters, presets, seed.

import { $, $$, defaults, element, number, say, settings } from "./core.js";

// As far as sliders go; the field beside takes all that is allowed.
const USUAL = {
  max_new_tokens: [1, settings.max_tokens, 1],
  temperature: [0, 2, 0.05],
  top_k: [0, 500, 1],
  top_p: [0.05, 1, 0.01],
  min_p: [0, 1, 0.01],
  repetition_penalty: [0.5, 2, 0.05],
  drafts: [1, 32, 1],
};
const SAMPLING = Object.keys(settings.presets.balanced);
const SWITCHES = ["starts_new_word", "mends_spelling"];
const fields = {};

export function setUpControls() {
  const panel = $("#panel");
  $("#settings-button").addEventListener("click", (event) => {
    panel.hidden = !panel.hidden;
    event.currentTarget.setAttribute("aria-expanded", !panel.hidden);
  });
  const sliders = Object.entries(USUAL).map(([name, [least, most, step]]) => {
    const id = name.replaceAll("_", "-");
    const field = element("input", { id, inputMode: "decimal", "aria-describedby": `${id}-info` });
    const slider = element("input", { type: "range", min: least, max: most, step, "aria-label": say(name) });
    slider.addEventListener("input", () => set(name, Number(slider.value)));
    field.addEventListener("change", () => set(name, read(field)));
    fields[name] = [field, slider];
    set(name, settings.parameters[name].default);
    const info = element("p", { class: "hint", id: `${id}-info` }, say(`${name}_info`));
    const label = element("label", { htmlFor: id }, say(name));
    return element("div", {}, label, element("span", { class: "pair" }, slider, field), info);
  });
  $("#sliders").replaceChildren(...sliders);
  for (const preset of $$("[name=preset]")) preset.addEventListener("change", () => apply(preset.value));
  $("#seed").value = newSeed();
}

const newSeed = () => Math.floor(Math.random() * 1_000_000);
const decimals = (value) => String(value).replace(".", settings.language === "pl" ? "," : ".");
/**
 * A field's number, with a comma or a point, or in groups of three as the language writes them; what
 * is none stays text, for the server to refuse.
 */
const read = (field) => {
  const grouped = settings.language === "pl" ? /^\d{1,3}(\s\d{3})+$/ : /^\d{1,3}(,\d{3})+$/;
  const typed = field.value.trim();
  const text = grouped.test(typed) ? typed.replace(/\D/g, "") : typed.replace(",", ".");
  return text === "" || Number.isNaN(Number(text)) ? typed : Number(text);
};

function set(name, value) {
  const [field, slider] = fields[name];
  field.value = decimals(value);
  slider.value = value;
  slider.setAttribute("aria-valuetext", field.value);
  if (SAMPLING.includes(name)) matchPreset();
}

function apply(preset) {
  for (const [name, value] of Object.entries(settings.presets[preset])) {
    fields[name][0].value = decimals(value);
    fields[name][1].value = value;
  }
}

function matchPreset() {
  const same = (preset) => SAMPLING.every((name) => !fields[name] || read(fields[name][0]) === preset[name]);
  for (const radio of $$("[name=preset]")) radio.checked = same(settings.presets[radio.value]);
}

/** {models, options}: a run's settings. With `draw` a seed that is not locked is drawn anew. */
export function readControls(draw) {
  const seed = $("#seed");
  if (draw && !$("#seed-lock").checked) seed.value = newSeed();
  const options = Object.fromEntries(Object.entries(fields).map(([name, [field]]) => [name, read(field)]));
  options.seed = read(seed);
  for (const name of SWITCHES) options[name] = $(`[name=${name}]`).checked;
  options.genre = $("[name=genre]:checked")?.value || null;
  options.stop = $("#stop-strings").value.split("\n").filter((line) => line);
  const models = $$("[name=models]:checked").map((box) => box.value).slice(0, settings.max_columns);
  return { models, options };
}

/** Puts a run's settings back into the controls; what they do not say is as by default. */
export function showControls(given) {
  const options = { ...defaults, ...given };
  for (const name of Object.keys(fields)) set(name, options[name]);
  if (options.seed !== null) $("#seed").value = options.seed;
  $("#stop-strings").value = [options.stop].flat().join("\n");
  for (const name of SWITCHES)
    if (typeof options[name] === "boolean") $(`[name=${name}]`).checked = options[name];
  for (const radio of $$("[name=genre]")) radio.checked = radio.value === (options.genre ?? "");
}
