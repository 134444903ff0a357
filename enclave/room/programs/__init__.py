"""Programs that come along; a room loads the one that it is started with, from its file."""
