"""The page in English."""

ENGLISH: dict[str, str] = {
    "heading": "# Three small networks write Polish",
    "subtitle": (
        "A **GRU**, a **Transformer** and a **Dragon Hatchling** continue the same sentence, side "
        "by side. Each has under ten million parameters and has read nothing but old Polish novels."
    ),
    "gru": "GRU",
    "transformer": "Transformer",
    "bdh": "Dragon Hatchling",
    "tab_write": "Write",
    "tab_compare": "Compare",
    "tab_inside": "Look inside",
    "tab_about": "About",
    "error": "That did not work",
    "note": "Please note",
    # Write
    "prompt": "Beginning of the story",
    "prompt_info": "In Polish, for the models know nothing else. May also be empty.",
    "prompt_placeholder": "Pewnego razu…",
    "examples": "Other beginnings",
    "models": "Models",
    "preset": "How daring",
    "preset_careful": "careful",
    "preset_balanced": "balanced",
    "preset_wild": "wild",
    "preset_report": "as in the report",
    "generate": "Generate",
    "stop_button": "Stop",
    "continue": "Continue",
    "again": "Another seed",
    "settings": "Settings",
    "max_new_tokens": "Length in tokens",
    "max_new_tokens_info": "How much each model adds; a Polish word is about two tokens.",
    "temperature": "Temperature",
    "temperature_info": "0 always takes the likeliest token; the higher, the more surprising.",
    "top_p": "Top p",
    "top_p_info": "Draws only from the likeliest tokens that together reach this probability.",
    "top_k": "Top k",
    "top_k_info": "Draws only from this many likeliest tokens; 0 for all of them.",
    "min_p": "Min p",
    "min_p_info": "Drops tokens less likely than this share of the likeliest one.",
    "repetition_penalty": "Repetition penalty",
    "repetition_penalty_info": "Above 1 makes tokens that have already come less likely.",
    "stop": "Stop at",
    "stop_info": "Ends a text before any of these strings, one a line.",
    "seed": "Seed",
    "seed_info": "The same seed and settings give the same text again.",
    "text_gru": "GRU writes",
    "text_transformer": "Transformer writes",
    "text_bdh": "Dragon Hatchling writes",
    "about_gru": "Remembers in **one vector** a layer, rewritten at every token.",
    "about_transformer": "**Looks back** at every token of its window before it writes the next.",
    "about_bdh": "Thousands of neurons; memory lies in the **synapses** between them.",
    "parameters": "{count} million parameters.",
    "stats_waiting": "Nothing written yet.",
    "stats": "**{tokens}** tokens · **{speed}** tokens/s · first one after **{first}** ms",
    "stats_reading": "Reading the beginning…",
    "ended_length": "",
    "ended_stop": " · met a stop string",
    "ended_boundary": " · ended its story",
    "stats_explained": (
        "The models take turns, a token each. Tokens/s counts a model's own turns only, reading "
        "the beginning included; the wait for the first token counts everybody's."
    ),
    "share": "Keep and share",
    "link": "Link that repeats this run",
    "link_info": "Opens the page with this beginning, these settings and this seed, and generates.",
    "download_text": "Download text",
    "download_json": "Download JSON",
    "prompt_cut": (
        "The beginning has {length} characters; the models get the last {limit}, more than any of "
        "them remembers."
    ),
    "choose_model": "Choose at least one model.",
    "nothing_to_continue": "There is nothing to continue yet. Press Generate first.",
    # Compare
    "compare_intro": (
        "How good are they? **Perplexity** is how many tokens a model hesitates between, so it "
        "depends on how long a tokenizer's tokens are: our Polish tokenizer and the report's "
        "cl100k_base cut text differently, and their perplexities and losses **cannot be "
        "compared**. **Bits per byte** can, with any model and with any compressor: lower is "
        "better."
    ),
    "table": "Our models and the report's",
    "compare_notes": (
        "Losses and perplexity of our models are over held-out novels that they never saw. The "
        "report's rows are its own figures, measured on an Nvidia A40; its bits per byte are "
        "estimated from its losses, 2.73 bytes a token. Real words: share of generated words that "
        "the Morfeusz 2 dictionary knows, drawing as in the report. A dash means not measured "
        "(yet)."
    ),
    "row_report": "{model} (report)",
    "mark_report": "(report)",
    "ours": "ours",
    "theirs": "report",
    "column_model": "Model",
    "column_parameters": "Parameters",
    "column_train_loss": "Final Train Loss",
    "column_val_loss": "Final Val Loss",
    "column_perplexity": "Perplexity",
    "column_bits_per_byte": "Bits per byte",
    "column_real_words": "Real words",
    "column_seconds": "Inference Time for 1,000 tokens (s)",
    "column_speed": "Tokens/sec",
    "column_prose_ppl": "Perplexity of our page",
    "column_prose_bpb": "Bits per byte of our page",
    "column_tokens": "Tokens",
    "bits": "Bits per byte (lower is better)",
    "bits_axis": "bits per byte",
    "speed": "Tokens per second (higher is better)",
    "speed_axis": "tokens/s",
    "measure_intro": (
        "### Measure on this machine\n"
        "Speed of writing, and how well each model predicts a page of prose that was written for "
        "this site and that no model has seen."
    ),
    "measure_tokens": "Tokens to write for the speed",
    "measure": "Measure on this machine",
    "measured": "Measured on this machine",
    "measuring": "{model} is being measured",
    "prose": "The page of prose",
    "curves_intro": (
        "### How training went\n"
        "Loss on held-out text after each stretch of training. The report does not say how many "
        "tokens a step of its Dragon Hatchling run had, so that run is only drawn against time; it "
        "ran on an Nvidia A40, ours on two processor cores."
    ),
    "against": "Against",
    "unit": "Shown",
    "whose": "Whose",
    "axis_tokens": "million tokens",
    "axis_minutes": "minutes",
    "unit_bits_per_byte": "bits per byte",
    "unit_loss": "validation loss",
    "own_intro": "### Your own text\nHow well does each model predict it?",
    "own_text": "Text to judge",
    "own_text_info": "Polish, up to 20,000 characters; the longer, the more it tells.",
    "judge": "Judge the text",
    "judged": "Best first",
    # Look inside
    "inside_intro": (
        "Each token is coloured by how much it **surprised** the model: -log₂ of the probability "
        "that the model gave it, in bits. 1 bit is as likely as not, 10 bits one chance in a "
        "thousand. **Click a token** to see what the model expected there."
    ),
    "inside_text": "Text to look into",
    "inside_text_info": "Any Polish text, up to 4,000 characters.",
    "take_gru": "What GRU wrote",
    "take_transformer": "What Transformer wrote",
    "take_bdh": "What BDH wrote",
    "take_prose": "A page of prose",
    "inside_models": "Read by",
    "look": "Look inside",
    "surprise": "Surprise in bits",
    "alternatives": "What the model expected",
    "alternatives_hint": (
        "Click a token (or move to it with Tab and the arrow keys and press Enter)."
    ),
    "alternatives_of": (
        "**{model}** before {token}: it came as a surprise of **{bits} bits**, number {rank} on "
        "the model's list."
    ),
    "reading_figures": (
        "**{bits_per_byte}** bits per byte · most surprising: {hardest} ({bits} bits)"
    ),
    "text_cut": "The text has {length} characters; the first {limit} are looked at.",
    "no_text": "There is no text to look at.",
    "neurons": "The neurons of the Dragon Hatchling",
    "neurons_intro": (
        "The Dragon Hatchling's authors promise two things: that only a small share of the neurons "
        "is active at any moment, and that single neurons stand for single things. See for "
        "yourself, on the text above."
    ),
    "neuron_shares": "Share of active neurons",
    "kind_firing": "active and passed on",
    "kind_held": "active, held back by the gate",
    "share_of_neurons": "share of neurons",
    "telling": "Telling neurons",
    "telling_info": "Those whose firing belongs mostly to one word of this text.",
    "telling_choice": "“{text}”: layer {layer}, neuron {neuron} ({share}%)",
    "layer": "Layer",
    "neuron": "Neuron",
    "firing": "Firing, as a share of the neuron's strongest",
    "firing_summary": "Layer {layer}, neuron {neuron} fires at **{times}** of {tokens} tokens.",
    # About
    "about_three": (
        "## Three ways to remember\n"
        "All three do the same job: given the text so far, they say how likely each of 8,192 "
        "pieces of text (*tokens*) is to come next. One is drawn, and the game starts again. They "
        "differ in how they remember what came before."
    ),
    "plain_gru": (
        "### GRU\n"
        "Reads token by token and keeps **one vector** a layer as its whole memory. At each token, "
        "gates decide what of the old vector stays and what is overwritten. Invented in 2014; "
        "fast, and never short of memory, but it forgets: whatever does not fit into the vector is "
        "gone."
    ),
    "plain_transformer": (
        "### Transformer\n"
        "Keeps notes on **every token** of its window and, before it writes the next, looks "
        "through all of them and weighs what matters now (*attention*). Invented in 2017, the "
        "ground of today's large models. It forgets nothing within its window, but the notes grow "
        "with the text."
    ),
    "plain_bdh": (
        "### Dragon Hatchling\n"
        "Of thousands of **neurons** only a part is active at a time; those that fire together "
        "strengthen the **synapse** between them, and in those synapses lies the memory of the "
        "text. Invented in 2025 ([arXiv 2509.26507](https://arxiv.org/abs/2509.26507)) as a bridge "
        "between Transformers and models of the brain. Its neurons are positive, so they can be "
        "looked at one by one."
    ),
    "card": "Card of the model",
    "about_more": (
        "## Where the texts come from\n"
        "The models learned from Polish novels in the public domain, from the "
        "*wolne_lektury_corpus* of [SpeakLeash](https://speakleash.org), cleaned and with some "
        "books held out to measure on. They started from nothing: no other model, no other text.\n"
        "\n"
        "## Their limits\n"
        "- They are **tiny**: a thousandth of a large language model or less. They have learned "
        "spelling, inflection and the sound of old prose, not facts and not sense. What they write "
        "is made up.\n"
        "- They speak like **old literature**, with its words, its spelling and its prejudices "
        "about women, peoples and classes.\n"
        "- They are a demonstration. **Do not use them** for information or advice, to judge "
        "people, or to pass their texts off as somebody's.\n"
        "\n"
        "## Train your own\n"
        "Everything is in the repository: `python -m "
        "training.prepare` fetches and cleans the texts, `python -m training.train --model "
        "transformer` trains a model, in about two hours on two processor cores. README tells the "
        "rest, and each model's card in `checkpoints/` tells how it was made and measured.\n"
        "\n"
        "## For programs\n"
        "`generate`, `score` and `compare` can be called over HTTP, from Python with "
        "`gradio_client`, and as MCP tools; the link at the foot of the page shows how."
    ),
    # Errors by parameter
    "refused": "{name}: “{value}” is not allowed; it must be {allowed}.",
    "allowed_prompt": "a text of at most 4,000 characters",
    "allowed_text": "a text of 1 to 20,000 characters",
    "allowed_models": "at least one of gru, transformer, bdh",
    "allowed_model": "one of gru, transformer, bdh",
    "allowed_max_new_tokens": "a whole number from 1 to 1,000",
    "allowed_temperature": "a number from 0 to 5",
    "allowed_top_k": "a whole number from 0 to 100,000",
    "allowed_top_p": "a number above 0, up to 1",
    "allowed_min_p": "a number from 0 to 1",
    "allowed_repetition_penalty": "a number from 0.5 to 3",
    "allowed_stop": "up to 16 strings of 1 to 200 characters each, one a line",
    "allowed_seed": "a whole number from 0 to 2,147,483,647",
    "allowed_rounds": "a whole number from 1 to 20",
}
