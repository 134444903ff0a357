"""Which keys the live screen has. What each does is app.py's."""

from textual.binding import Binding, BindingType

KEYS: list[BindingType] = [
    Binding("q", "leave", "quit"),
    Binding("backspace", "close", "close"),
    Binding("escape", "close", "close"),
    Binding("question_mark", "help", "keys"),
    Binding("slash", "search", "search"),
    Binding("enter", "open", "open"),
    Binding("up,k", "move(-1)", "up"),
    Binding("down,j", "move(1)", "down"),
    Binding("home", "move(-1000000)", "newest"),
    Binding("end", "move(1000000)", "oldest"),
    Binding("g", "governance", "governance"),
    Binding("e", "evidence", "evidence"),
    Binding("V", "check", "check"),
    Binding("p", "pause", "pause"),
]
