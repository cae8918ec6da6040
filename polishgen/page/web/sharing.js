// One column's text to keep and to send: a link, a card, files.

import { $, Refusal, modelTitle, reach, root, say, settings, tell } from "./core.js";
import { encodeLink, wholeText } from "./texts.js";

const [dialog, card, saveCard, status] = ["#sharing", "#card", "#download-card", "#sharing-status"].map((each) => $(each));
let tree, trees;

export async function openSharing(chosen, all) {
  [tree, trees] = [chosen, all];
  const code = await encodeLink([tree.segments]);
  if (tree !== chosen) return;
  $("#link").value = `${location.origin}${root}/?run=${code}`;
  $("#copy-link").textContent = say("copy_link");
  for (const part of [card, saveCard]) part.hidden = true;
  tell(status, say("card_coming"));
  dialog.showModal();
  try {
    const path = `card.png?run=${code}&lang=${settings.language}`;
    const picture = await reach(path, (response) => response.blob());
    if (tree !== chosen) return;
    URL.revokeObjectURL(card.src);
    card.src = saveCard.href = URL.createObjectURL(picture);
    for (const part of [card, saveCard]) part.hidden = false;
    tell(status, "");
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    if (tree === chosen) tell(status, error.message, "error");
  }
}

function download(name, text, type) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  const link = Object.assign(document.createElement("a"), { href: address, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

$("#close-sharing").addEventListener("click", () => dialog.close());
$("#copy-link").addEventListener("click", async () => {
  const field = $("#link");
  try {
    await navigator.clipboard.writeText(field.value);
  } catch {
    field.select();
    document.execCommand("copy");
  }
  $("#copy-link").textContent = say("copied");
});
$("#download-text").addEventListener("click", () => {
  const parts = trees.map((each) => `${modelTitle(each.model)}\n\n${wholeText(each.segments)}\n`);
  download("polishgen.txt", parts.join("\n\n"), "text/plain");
});
$("#download-json").addEventListener("click", async () => {
  const code = await encodeLink(trees.map((each) => each.segments));
  const texts = trees.map((each) => ({ model: each.model, text: wholeText(each.segments), segments: each.segments }));
  const record = { link: `${location.origin}${root}/?run=${code}`, texts };
  download("polishgen.json", JSON.stringify(record, null, 2), "application/json");
});
