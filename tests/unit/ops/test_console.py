"""What is printed."""

from ops.console import printable


def test_text_of_others_commands_no_terminal() -> None:
    assert printable("ä\tb\n\x1b]52;c;aGk=\x07\x9b2J\u202e\u2028\x85") == (
        "ä\tb\n\\x1b]52;c;aGk=\\x07\\x9b2J\\u202e\\u2028\\x85"
    )
