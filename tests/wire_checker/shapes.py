"""What fields may be. Each shape builds its value from the JSON of the vectors, and checks a
value that was decoded. After the notation of docs/src/wire.md."""

from bytes_of import malformed


def _expect(fits, what):
    if not fits:
        raise malformed("encoding", what)


class Uint:
    def __init__(self, bits):
        self.end = 1 << bits

    def build(self, json):
        return json

    def check(self, value):
        _expect(type(value) is int and 0 <= value < self.end, "integer")


class Number:
    """A small enumeration: words in the vectors, numbers on the wire."""

    def __init__(self, **words):
        self.words = words

    def build(self, json):
        return self.words[json]

    def check(self, value):
        _expect(type(value) is int and value in self.words.values(), "number without meaning")


class Bool:
    def build(self, json):
        return json

    def check(self, value):
        _expect(type(value) is bool, "truth value")


class Text:
    def build(self, json):
        return json

    def check(self, value):
        _expect(type(value) is str, "text")


class Bytes:
    def __init__(self, size=None):
        self.size = size

    def build(self, json):
        return bytes.fromhex(json)

    def check(self, value):
        _expect(type(value) is bytes and self.size in (None, len(value)), "byte string")


class Maybe:
    def __init__(self, shape):
        self.shape = shape

    def build(self, json):
        return None if json is None else self.shape.build(json)

    def check(self, value):
        if value is not None:
            self.shape.check(value)


class List:
    def __init__(self, shape):
        self.shape = shape

    def build(self, json):
        return [self.shape.build(item) for item in json]

    def check(self, value):
        _expect(type(value) is list, "list")
        for item in value:
            self.shape.check(item)


class Struct:
    """Fields in their order; all of them, and no others."""

    def __init__(self, **fields):
        self.fields = fields

    def build(self, json):
        if json.keys() != self.fields.keys():
            raise KeyError(f"{sorted(json)} instead of {sorted(self.fields)}")
        return [shape.build(json[name]) for name, shape in self.fields.items()]

    def check(self, value):
        _expect(type(value) is list and len(value) == len(self.fields), "number of fields")
        for shape, item in zip(self.fields.values(), value):
            shape.check(item)

    def named(self, value):
        return dict(zip(self.fields, value))


class Choice:
    """`[number, [field …]]`. Without fields the vectors have the word alone, with one field an
    object of word and value."""

    def __init__(self, **cases):
        self.cases = cases

    def build(self, json):
        if isinstance(json, str):
            number, fields = self.cases[json]
            return [number, fields.build({})]
        ((word, value),) = json.items()
        number, fields = self.cases[word]
        (name,) = fields.fields
        return [number, fields.build({name: value})]

    def check(self, value):
        _expect(type(value) is list and len(value) == 2, "choice")
        for number, fields in self.cases.values():
            if type(value[0]) is int and value[0] == number:
                return fields.check(value[1])
        raise malformed("encoding", "choice without meaning")


U8, U32, U64 = Uint(8), Uint(32), Uint(64)
ID, SIG, BYTES, TEXT, BOOL = Bytes(32), Bytes(64), Bytes(), Text(), Bool()
IDS = List(ID)


class AgentList(List):
    """The agents of an instant room: 2 to 32 ids, ascending."""

    def __init__(self):
        super().__init__(ID)

    def check(self, value):
        super().check(value)
        _expect(2 <= len(value) <= 32, "number of agents")
        _expect(all(a < b for a, b in zip(value, value[1:])), "agents not in order")
