// The Arena tab: texts without names, a vote, who wrote them, the table.

import { $, Job, Refusal, architectureOf, ask, element, fillTable, insist, modelTitle, number, percent, say, tell } from "./core.js";

const status = $("#arena-status");
let counted = -1; // the votes of the table that is shown

export function openArena() {
  const job = new Job($("#arena-play"), $("#arena-stop"), status);
  $("#arena-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    if (job.running) return;
    const count = Number($("[name=count]:checked").value);
    const genre = $("[name=arena-genre]:checked")?.value || null;
    const prompt = $("#arena-prompt").value;
    await job.run("arena", { prompt, count, genre }, (event) => {
      if (event.progress !== undefined) job.tell(say("arena_writing", { share: percent(event.progress) }), "waiting");
      if (event.round) showRound(prompt, event), job.tell(say("arena_choose"));
    });
  });
  const tables = async () => showTables(await ask("votes", {}));
  insist(tables, (text) => $("#arena-tables").replaceChildren(element("p", {}, text)));
}

function showRound(prompt, { round, texts }) {
  let voted = false;
  const boxes = texts.map((text, index) => {
    const name = String.fromCharCode(65 + index);
    const paper = element("div", { class: "paper", lang: "pl", tabIndex: 0, role: "group" }, element("span", { class: "prompt" }, prompt), text);
    paper.setAttribute("aria-label", say("arena_text", { name }));
    const button = element("button", { type: "button", class: "vote" }, say("arena_vote", { name }));
    button.addEventListener("click", () => vote(index));
    return element("article", { class: "column" }, element("h2", {}, say("arena_text", { name })), paper, button);
  });
  const none = element("button", { type: "button", class: "vote" }, say("arena_none"));
  none.addEventListener("click", () => vote(null));
  $("#arena-texts").replaceChildren(element("div", { class: "columns" }, ...boxes), none);

  async function vote(choice) {
    if (voted) return;
    voted = true;
    try {
      const answer = await ask("vote", { round, choice });
      boxes.forEach((box, index) => {
        const model = answer.models[index];
        box.classList.add(architectureOf(model));
        $("h2", box).textContent = say("arena_was", { name: String.fromCharCode(65 + index), model: modelTitle(model) });
        if (index === answer.choice) box.classList.add("chosen");
      });
      for (const button of [...boxes.map((box) => $(".vote", box)), none]) button.setAttribute("aria-disabled", true);
      showTables(answer);
      if (!none.isConnected) return; // the next round is on
      tell(status, say(answer.choice === null ? "arena_skipped" : "arena_thanks"));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      voted = false;
      if (none.isConnected) tell(status, error.message, "error");
    }
  }
}

function showTables({ tables, votes }) {
  if (votes < counted) return; // asked for before the last vote
  counted = votes;
  const columns = [
    [say("column_model"), "model", modelTitle],
    [say("arena_score"), "score", (score, row) => `${number(score)} ± ${number(row.margin)}`],
    [say("arena_won"), "won", (won, row) => `${number(won)} / ${number(row.met)}`],
  ];
  const made = Object.entries(tables).map(([genre, rows]) => {
    const caption = genre === "all" ? say("arena_all", { votes: number(votes) }) : say(`genre_${genre}`) || say("genre_any");
    const table = element("table", {}, element("caption", {}, caption), element("thead"), element("tbody"));
    fillTable(table, columns, rows);
    return table;
  });
  $("#arena-tables").replaceChildren(...(votes ? made : [element("p", {}, say("arena_empty"))]));
}
