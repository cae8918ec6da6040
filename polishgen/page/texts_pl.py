"""The page in Polish."""

POLISH: dict[str, str] = {
    "heading": "# Trzy małe sieci piszą po polsku",
    "subtitle": (
        "**GRU**, **Transformer** i **Dragon Hatchling** dopisują ciąg dalszy tego samego zdania, "
        "jedna obok drugiej. Każda ma mniej niż dziesięć milionów parametrów i nie czytała niczego "
        "prócz dawnych polskich powieści."
    ),
    "gru": "GRU",
    "transformer": "Transformer",
    "bdh": "Dragon Hatchling",
    "tab_write": "Pisanie",
    "tab_compare": "Porównanie",
    "tab_inside": "Zajrzyj do środka",
    "tab_about": "O modelach",
    "error": "Nie udało się",
    "note": "Uwaga",
    # Write
    "prompt": "Początek opowieści",
    "prompt_info": "Po polsku, bo innych języków modele nie znają. Może być pusty.",
    "prompt_placeholder": "Pewnego razu…",
    "examples": "Inne początki",
    "models": "Modele",
    "preset": "Jak śmiało",
    "preset_careful": "ostrożnie",
    "preset_balanced": "z umiarem",
    "preset_wild": "szaleńczo",
    "preset_report": "jak w raporcie",
    "generate": "Generuj",
    "stop_button": "Stop",
    "continue": "Pisz dalej",
    "again": "Inne ziarno",
    "settings": "Ustawienia",
    "max_new_tokens": "Długość w tokenach",
    "max_new_tokens_info": "Ile dopisze każdy model; polskie słowo to około dwóch tokenów.",
    "temperature": "Temperatura",
    "temperature_info": (
        "0 bierze zawsze najbardziej prawdopodobny token; im wyżej, tym więcej niespodzianek."
    ),
    "top_p": "Top p",
    "top_p_info": (
        "Losuje tylko spośród najbardziej prawdopodobnych tokenów, które razem osiągają to "
        "prawdopodobieństwo."
    ),
    "top_k": "Top k",
    "top_k_info": (
        "Losuje tylko spośród tylu najbardziej prawdopodobnych tokenów; 0 oznacza wszystkie."
    ),
    "min_p": "Min p",
    "min_p_info": "Odrzuca tokeny mniej prawdopodobne niż taki ułamek najbardziej prawdopodobnego.",
    "repetition_penalty": "Kara za powtórzenia",
    "repetition_penalty_info": "Powyżej 1 zmniejsza szanse tokenów, które już wystąpiły.",
    "stop": "Zakończ przed",
    "stop_info": "Tekst kończy się przed którymkolwiek z tych napisów, po jednym w wierszu.",
    "seed": "Ziarno",
    "seed_info": "To samo ziarno i te same ustawienia dają ten sam tekst.",
    "text_gru": "GRU pisze",
    "text_transformer": "Transformer pisze",
    "text_bdh": "Dragon Hatchling pisze",
    "about_gru": "Pamięta **jednym wektorem** na warstwę, nadpisywanym przy każdym tokenie.",
    "about_transformer": "**Ogląda się** na każdy token ze swojego okna, zanim napisze następny.",
    "about_bdh": "Tysiące neuronów; pamięć mieści się w **synapsach** między nimi.",
    "parameters": "{count} mln parametrów.",
    "stats_waiting": "Jeszcze nic nie napisano.",
    "stats": "Tokeny: **{tokens}** · **{speed}** tokenów/s · pierwszy po **{first}** ms",
    "stats_reading": "Czyta początek…",
    "ended_length": "",
    "ended_stop": " · trafił na napis kończący",
    "ended_boundary": " · zakończył opowieść",
    "stats_explained": (
        "Modele piszą na zmianę, po jednym tokenie. Tokeny na sekundę liczą tylko czas własnych "
        "kolejek modelu, razem z czytaniem początku; czekanie na pierwszy token obejmuje kolejki "
        "wszystkich."
    ),
    "share": "Zachowaj i udostępnij",
    "link": "Link, który powtarza ten przebieg",
    "link_info": (
        "Otwiera stronę z tym początkiem, tymi ustawieniami i tym ziarnem, po czym generuje."
    ),
    "download_text": "Pobierz tekst",
    "download_json": "Pobierz JSON",
    "prompt_cut": (
        "Początek ma {length} znaków; modele dostają ostatnie {limit}, czyli więcej, niż "
        "którykolwiek z nich pamięta."
    ),
    "choose_model": "Wybierz przynajmniej jeden model.",
    "nothing_to_continue": "Nie ma jeszcze czego kontynuować. Najpierw naciśnij „Generuj”.",
    # Compare
    "compare_intro": (
        "Jak dobre są te modele? **Perplexity** mówi, między iloma tokenami model się waha, zależy "
        "więc od tego, jak długie tokeny daje tokenizer: nasz polski i cl100k_base z raportu tną "
        "tekst inaczej, dlatego ich perplexity i strat **nie można porównywać**. **Bity na bajt** "
        "można: z każdym modelem i z każdym programem kompresującym; im mniej, tym lepiej."
    ),
    "table": "Nasze modele i modele z raportu",
    "compare_notes": (
        "Straty i perplexity naszych modeli liczone są na odłożonych powieściach, których modele "
        "nigdy nie widziały. Wiersze z raportu to jego własne liczby, zmierzone na karcie Nvidia "
        "A40; jego bity na bajt są oszacowane ze strat przy 2,73 bajta na token. Prawdziwe słowa: "
        "część wygenerowanych słów, które zna słownik Morfeusz 2, przy losowaniu jak w raporcie. "
        "Kreska oznacza, że (jeszcze) nie zmierzono."
    ),
    "row_report": "{model} (raport)",
    "mark_report": "(raport)",
    "ours": "nasze",
    "theirs": "raport",
    "column_model": "Model",
    "column_parameters": "Parametry",
    "column_train_loss": "Końcowa strata treningowa",
    "column_val_loss": "Końcowa strata walidacyjna",
    "column_perplexity": "Perplexity",
    "column_bits_per_byte": "Bity na bajt",
    "column_real_words": "Prawdziwe słowa",
    "column_seconds": "Czas na 1000 tokenów (s)",
    "column_speed": "Tokeny/s",
    "column_prose_ppl": "Perplexity naszej strony",
    "column_prose_bpb": "Bity na bajt naszej strony",
    "column_tokens": "Tokeny",
    "bits": "Bity na bajt (im mniej, tym lepiej)",
    "bits_axis": "bity na bajt",
    "speed": "Tokeny na sekundę (im więcej, tym lepiej)",
    "speed_axis": "tokeny/s",
    "measure_intro": (
        "### Pomiar na tej maszynie\n"
        "Szybkość pisania oraz to, jak dobrze każdy model przewiduje stronę prozy, która powstała "
        "dla tego serwisu i której żaden model nie widział."
    ),
    "measure_tokens": "Ile tokenów napisać, by zmierzyć szybkość",
    "measure": "Zmierz na tej maszynie",
    "measured": "Zmierzone na tej maszynie",
    "measuring": "Trwa pomiar: {model}",
    "prose": "Strona prozy",
    "curves_intro": (
        "### Jak szła nauka\n"
        "Strata na odłożonym tekście po kolejnych odcinkach nauki. Raport nie podaje, ile tokenów "
        "miał krok przebiegu modelu Dragon Hatchling, więc ten przebieg jest narysowany tylko "
        "względem czasu; odbył się na karcie Nvidia A40, nasze na dwóch rdzeniach procesora."
    ),
    "against": "Względem",
    "unit": "Co pokazać",
    "whose": "Czyje",
    "axis_tokens": "miliony tokenów",
    "axis_minutes": "minuty",
    "unit_bits_per_byte": "bity na bajt",
    "unit_loss": "strata walidacyjna",
    "own_intro": "### Twój własny tekst\nJak dobrze przewiduje go każdy z modeli?",
    "own_text": "Oceniany tekst",
    "own_text_info": "Po polsku, do 20 000 znaków; im dłuższy, tym więcej mówi.",
    "judge": "Oceń tekst",
    "judged": "Od najlepszego",
    # Look inside
    "inside_intro": (
        "Kolor tokenu mówi, jak bardzo **zaskoczył** on model: to -log₂ prawdopodobieństwa, które "
        "model mu przypisał, w bitach. 1 bit to szansa pół na pół, 10 bitów to jedna szansa na "
        "tysiąc. **Kliknij token**, żeby zobaczyć, czego model się tam spodziewał."
    ),
    "inside_text": "Badany tekst",
    "inside_text_info": "Dowolny polski tekst, do 4000 znaków.",
    "take_gru": "Tekst GRU",
    "take_transformer": "Tekst Transformera",
    "take_bdh": "Tekst BDH",
    "take_prose": "Strona prozy",
    "inside_models": "Kto czyta",
    "look": "Zajrzyj do środka",
    "surprise": "Zaskoczenie w bitach",
    "alternatives": "Czego spodziewał się model",
    "alternatives_hint": (
        "Kliknij token (albo przejdź do niego klawiszem Tab i strzałkami i naciśnij Enter)."
    ),
    "alternatives_of": (
        "**{model}** przed {token}: zaskoczenie wyniosło **{bits} bitu**, a token był {rank}. na "
        "liście modelu."
    ),
    "reading_figures": (
        "**{bits_per_byte}** bitu na bajt · największe zaskoczenie: {hardest} ({bits} bitu)"
    ),
    "text_cut": "Tekst ma {length} znaków; badanych jest pierwszych {limit}.",
    "no_text": "Nie ma tu żadnego tekstu.",
    "neurons": "Neurony modelu Dragon Hatchling",
    "neurons_intro": (
        "Autorzy modelu Dragon Hatchling obiecują dwie rzeczy: że w każdej chwili aktywna jest "
        "tylko mała część neuronów i że pojedyncze neurony oznaczają pojedyncze rzeczy. Sprawdź to "
        "na powyższym tekście."
    ),
    "neuron_shares": "Odsetek aktywnych neuronów",
    "kind_firing": "aktywne, przepuszczone dalej",
    "kind_held": "aktywne, zatrzymane przez bramkę",
    "share_of_neurons": "część neuronów",
    "telling": "Wymowne neurony",
    "telling_info": "Te, których pobudzenie przypada głównie na jedno słowo tego tekstu.",
    "telling_choice": "„{text}”: warstwa {layer}, neuron {neuron} ({share}%)",
    "layer": "Warstwa",
    "neuron": "Neuron",
    "firing": "Pobudzenie jako część najsilniejszego",
    "firing_summary": (
        "Warstwa {layer}, neuron {neuron}: pobudzony przy **{times}** z {tokens} tokenów."
    ),
    # About
    "about_three": (
        "## Trzy sposoby pamiętania\n"
        "Wszystkie trzy robią to samo: na podstawie dotychczasowego tekstu mówią, jak "
        "prawdopodobny jest jako następny każdy z 8192 kawałków tekstu (*tokenów*). Jeden zostaje "
        "wylosowany i zabawa zaczyna się od nowa. Różnią się tym, jak pamiętają to, co było "
        "wcześniej."
    ),
    "plain_gru": (
        "### GRU\n"
        "Czyta token po tokenie, a całą jego pamięcią jest **jeden wektor** na warstwę. Przy "
        "każdym tokenie bramki decydują, co ze starego wektora zostaje, a co zostanie nadpisane. "
        "Powstał w 2014 roku; jest szybki i nigdy nie brakuje mu miejsca, ale zapomina: co nie "
        "mieści się w wektorze, przepada."
    ),
    "plain_transformer": (
        "### Transformer\n"
        "Przechowuje notatki o **każdym tokenie** ze swojego okna i zanim napisze następny, "
        "przegląda je wszystkie i waży, co jest teraz ważne (*uwaga*). Powstał w 2017 roku i jest "
        "podstawą dzisiejszych wielkich modeli. W obrębie okna niczego nie zapomina, ale notatek "
        "przybywa wraz z tekstem."
    ),
    "plain_bdh": (
        "### Dragon Hatchling\n"
        "Spośród tysięcy **neuronów** naraz aktywna jest tylko część; te, które pobudzają się "
        "razem, wzmacniają łączącą je **synapsę**, i w synapsach mieści się pamięć o tekście. "
        "Powstał w 2025 roku ([arXiv 2509.26507](https://arxiv.org/abs/2509.26507)) jako pomost "
        "między Transformerem a modelami mózgu. Jego neurony są nieujemne, "
        "dlatego można przyglądać się im z osobna."
    ),
    "card": "Karta modelu (po angielsku)",
    "about_more": (
        "## Skąd pochodzą teksty\n"
        "Modele uczyły się na polskich powieściach z domeny publicznej, ze zbioru "
        "*wolne_lektury_corpus* projektu [SpeakLeash](https://speakleash.org), oczyszczonego; "
        "część książek odłożono, żeby na nich mierzyć. Zaczynały od zera: bez innych modeli i bez "
        "innych tekstów.\n"
        "\n"
        "## Czego nie potrafią\n"
        "- Są **maleńkie**: najwyżej jedna tysięczna wielkiego modelu językowego. Nauczyły się "
        "pisowni, odmiany i brzmienia dawnej prozy, ale nie faktów ani sensu. Wszystko, co piszą, "
        "jest zmyślone.\n"
        "- Mówią jak **dawna literatura**: jej słowami, jej pisownią i z jej uprzedzeniami wobec "
        "kobiet, narodów i stanów.\n"
        "- Są pokazem. **Nie używaj ich** do szukania informacji ani porad, do oceniania ludzi ani "
        "po to, by przypisywać komuś ich teksty.\n"
        "\n"
        "## Wytrenuj własny\n"
        "Wszystko jest w repozytorium: `python -m "
        "training.prepare` pobiera i czyści teksty, a `python -m training.train --model "
        "transformer` trenuje model, przez około dwie godziny na dwóch rdzeniach procesora. Resztę "
        "mówi README, a karta każdego modelu w katalogu `checkpoints/` opisuje, jak powstał i jak "
        "go zmierzono.\n"
        "\n"
        "## Dla programów\n"
        "Funkcje `generate`, `score` i `compare` można wywoływać przez HTTP, z Pythona przez "
        "`gradio_client` oraz jako narzędzia MCP; jak, pokazuje odnośnik u dołu strony."
    ),
    # Errors by parameter
    "refused": "{name}: wartość „{value}” jest niedozwolona; ma to być {allowed}.",
    "allowed_prompt": "tekst o długości najwyżej 4000 znaków",
    "allowed_text": "tekst o długości od 1 do 20 000 znaków",
    "allowed_models": "co najmniej jeden z modeli: gru, transformer, bdh",
    "allowed_model": "jeden z modeli: gru, transformer, bdh",
    "allowed_max_new_tokens": "liczba całkowita od 1 do 1000",
    "allowed_temperature": "liczba od 0 do 5",
    "allowed_top_k": "liczba całkowita od 0 do 100 000",
    "allowed_top_p": "liczba większa od 0, najwyżej 1",
    "allowed_min_p": "liczba od 0 do 1",
    "allowed_repetition_penalty": "liczba od 0,5 do 3",
    "allowed_stop": "najwyżej 16 napisów po 1 do 200 znaków, po jednym w wierszu",
    "allowed_seed": "liczba całkowita od 0 do 2 147 483 647",
    "allowed_rounds": "liczba całkowita od 1 do 20",
}
