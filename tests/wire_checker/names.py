"""Names and other texts. After docs/src/wire.md, "Names"."""

import unicodedata

# The Unicode property White_Space; Python's own idea of it differs.
WHITE = "".join(
    map(
        chr,
        [*range(0x09, 0x0E), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B)]
        + [0x2028, 0x2029, 0x202F, 0x205F, 0x3000],
    )
)

INVISIBLE = {0xAD, 0x61C, 0x200B, 0x200E, 0x200F, 0xFEFF}
INVISIBLE |= {*range(0x2028, 0x202F), *range(0x2060, 0x2065), *range(0x2066, 0x206A)}


def is_control(character):
    return unicodedata.category(character) == "Cc"


def name_verdict(text):
    """`ok`, or the first rule that is broken."""
    if not text.strip(WHITE):
        return "empty"
    if len(text) > 64:
        return "too_long"
    if any(is_control(c) or ord(c) in INVISIBLE for c in text):
        return "control"
    if "/" in text or ":" in text:
        return "separator"
    if text.strip(WHITE) != text:
        return "edge"
    if unicodedata.normalize("NFC", text) != text:
        return "not_normal"
    return "ok"


def typed(text):
    """The name that a typed text becomes, or None."""
    name = unicodedata.normalize("NFC", text.strip(WHITE))
    return name if name_verdict(name) == "ok" else None
