"""Pictures of dialogues."""

import re
from itertools import combinations
from xml.etree import ElementTree as ET

from dialplane.resources.voice_bot import VoiceBotSpec
from dialplane.services.voicebot.dialogue.drawing import svg
from dialplane.services.voicebot.dialogue.graph import mermaid, picture_of, wrapped
from tests.voicebot.dialogue.dialogs import END, act, ask, bot

NAMESPACE = "{http://www.w3.org/2000/svg}"


def _hotel() -> VoiceBotSpec:
    """Return a bot with a way back, two ways between one pair of states, and signs that mean something to a drawing."""
    room = ask(
        "room",
        {"dtmf": "#", "to": "end"},
        {"answered": True, "to": "sure"},
        say='A "room" <or> a suite & a view?',
        grammar="words",
        variable="room",
    )
    sure = ask("sure", {"intent": "yes", "to": "book"}, {"intent": "no", "to": "room"}, say="{room}. Right?")
    hook = {"url": "https://crm.example.com/book", "outcomes": [{"outcome": "full", "to": "room"}], "otherwise": "end"}
    return bot(room, sure, act("book", webhook=hook), END)


def test_mermaid_has_every_state_and_way_and_no_sign_of_its_own_in_texts() -> None:
    assert mermaid(picture_of(_hotel())).splitlines()[:12] == [
        "flowchart LR",
        "    call((call))",
        "    call --> s0",
        '    s0["<b>room</b><br>A #34;room#34; #60;or#62; a suite #38; a view?<br>asks for words, kept as room"]:::asks',
        '    s1["<b>sure</b><br>{room}. Right?<br>asks for yes or no"]:::asks',
        '    s2["<b>book</b><br>asks crm.example.com"]:::acts',
        '    s3["<b>end</b><br>hangs up"]:::ends',
        '    s0 -->|"key #35;"| s3',
        '    s0 -->|"any answer"| s1',
        '    s1 -->|"yes"| s2',
        '    s1 -->|"no"| s0',
        '    s2 -->|"full"| s0',
    ]


def test_ways_between_the_same_states_are_one_arrow() -> None:
    spec = bot(ask("one", {"intent": "yes", "to": "end"}, {"intent": "no", "to": "end"}), END)
    (arrow,) = picture_of(spec).arrows
    assert arrow.label == "yes, no"


def test_svg_has_every_text_and_nothing_hides_anything() -> None:
    drawing = svg(picture_of(_hotel()))
    root = ET.fromstring(drawing)  # noqa: S314 -- our own
    texts = [text.text for text in root.iter(f"{NAMESPACE}text")]
    assert {"call", "room", "sure", "book", "end", "key #", "any answer", "yes", "no", "full"} <= set(texts)
    assert "a view?" in " ".join(filter(None, texts))
    boxes = [
        tuple(float(rect.get(side, "0")) for side in ("x", "y", "width", "height"))
        for rect in root.iter(f"{NAMESPACE}rect")
        if rect.get("width") != "100%"
    ]
    assert len(boxes) == 5 + 6  # states and labels
    for (x, y, width, height), (other_x, other_y, other_width, other_height) in combinations(boxes, 2):
        apart = (
            x + width <= other_x or other_x + other_width <= x or y + height <= other_y or other_y + other_height <= y
        )
        assert apart, (x, y, other_x, other_y)
    assert svg(picture_of(_hotel())) == drawing


def test_the_largest_dialogue_can_be_drawn() -> None:
    states = [
        ask(f"s{at}", {"intent": "yes", "to": f"s{at + 1}"}, {"intent": "no", "to": f"s{at * 7 % 126}"})
        for at in range(126)
    ]
    drawing = svg(picture_of(bot(*states, {"name": "s126", "next": "end"}, END)))
    assert len(re.findall('class="name"', drawing)) == 129


def test_long_texts_are_cut_with_a_mark() -> None:
    assert wrapped("one two three four", 9, 2) == ["one two", "three …"]
    assert wrapped("x" * 30, 10, 2) == ["xxxxxxxxx…"]
