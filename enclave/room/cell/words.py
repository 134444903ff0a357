"""What went wrong in code, in words: for its author, over made-up rows alone (`rooms check`).

Owns the form of a traceback that opens no file. In a job nobody is told these words.
"""

from strongroom.enclave.room.cell.program import PROGRAM

CELL_WORDS_MAX = 16 * 1024
_PLACES_MAX = 20


def told(error: BaseException, source: str) -> bytes:
    """Places in the code, innermost last, and the error."""
    lines, words = source.splitlines(), list[str]()
    trace = error.__traceback__
    while trace is not None:
        code, number = trace.tb_frame.f_code, trace.tb_lineno
        if code.co_filename == f"{PROGRAM}.py":
            said = lines[number - 1].strip() if 0 < number <= len(lines) else ""
            words.append(f"  line {number}, in {code.co_name}: {said}")
        trace = trace.tb_next
    if isinstance(error, SyntaxError) and error.lineno is not None:
        words.append(f"  line {error.lineno}")
    cut = [*words[:1], *words[1:][-_PLACES_MAX:]]
    text = "\n".join([*cut, f"{type(error).__name__}: {error}"])
    return text.encode("utf-8", "replace")[:CELL_WORDS_MAX]
