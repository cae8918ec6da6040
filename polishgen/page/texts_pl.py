"""The page in Polish."""

POLISH: dict[str, str] = {
    "page_title": "polishgen: trzy małe sieci piszą po polsku",
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
    "models_info": "Kto ma pisać.",
    "preset": "Jak śmiało",
    "preset_info": "Ustawia naraz całe losowanie poniżej.",
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
