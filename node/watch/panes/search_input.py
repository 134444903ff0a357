"""Where a search is typed: one line that goes away when it is empty and Backspace is pressed, or by
Escape. Nothing hangs on Escape alone, for over ssh it comes late.
"""

from textual.message import Message
from textual.widgets import Input


class SearchInput(Input):
    """The search line."""

    class Left(Message):
        """Nothing is searched."""

    def __init__(self) -> None:
        """Make it, unseen."""
        super().__init__(
            id="search", placeholder="height, id or its beginning, name …", max_length=128
        )
        self.cursor_blink = False

    def action_delete_left(self) -> None:
        """Backspace: on nothing, leave."""
        if self.value:
            super().action_delete_left()
        else:
            self.post_message(self.Left())

    def key_escape(self) -> None:
        """Leave."""
        self.post_message(self.Left())
