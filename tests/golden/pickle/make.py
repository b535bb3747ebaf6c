"""Writes cases.tsv: pickles of every protocol and opcode, and what they mean.

Each line is: name, hexadecimal pickle, description. The descriptions come from CPython's own pure-Python
unpickler with every call replaced by an inert record, so they are independent of the reader under test.
Run: python3 make.py > cases.tsv
"""
import collections
import io
import pickle
import pickletools
import struct


class Global:
    def __init__(self, module, name):
        self.module, self.name = module, name

    def __hash__(self):
        return hash((self.module, self.name))

    def __eq__(self, other):
        return isinstance(other, Global) and (self.module, self.name) == (other.module, other.name)


class Object:
    def __init__(self, kind, callable_, args, kwargs=None):
        self.kind, self.callable, self.args, self.kwargs = kind, callable_, args, kwargs
        self.appended, self.pairs, self.states = [], {}, []


class Persistent:
    def __init__(self, pid):
        self.pid = pid


class Set(dict):
    pass


class FrozenSet:
    def __init__(self, items):
        self.elements = list(dict.fromkeys(items))

    def __hash__(self):
        return hash(frozenset(self.elements))

    def __eq__(self, other):
        return isinstance(other, FrozenSet) and frozenset(self.elements) == frozenset(other.elements)


class Py2Text(str):
    pass


class Py2Bytes(bytes):
    pass


class Inert(pickle._Unpickler):
    dispatch = dict(pickle._Unpickler.dispatch)

    def find_class(self, module, name):
        names, modules = pickle._compat_pickle.NAME_MAPPING, pickle._compat_pickle.IMPORT_MAPPING
        if (module, name) in names:
            module, name = names[module, name]
        else:
            module = modules.get(module, module)
        return Global(module, name)

    def persistent_load(self, pid):
        return Persistent(pid)

    def _decode_string(self, value):
        try:
            return Py2Text(value.decode("utf-8"))
        except UnicodeDecodeError:
            return Py2Bytes(value)

    def load_reduce(self):
        args = self.stack.pop()
        self.stack[-1] = Object("reduce", self.stack[-1], args)

    def load_newobj(self):
        args = self.stack.pop()
        self.stack[-1] = Object("newobj", self.stack[-1], args)

    def load_newobj_ex(self):
        kwargs, args = self.stack.pop(), self.stack.pop()
        self.stack[-1] = Object("newobj_ex", self.stack[-1], args, kwargs)

    def load_obj(self):
        args = self.pop_mark()
        self.append(Object("obj", args.pop(0), tuple(args)))

    def load_inst(self):
        module, name = self.readline()[:-1].decode(), self.readline()[:-1].decode()
        args = tuple(self.pop_mark())  # replaces self.append
        self.append(Object("inst", self.find_class(module, name), args))

    def load_build(self):
        state = self.stack.pop()
        self.stack[-1].states.append(state)

    def load_append(self):
        value = self.stack.pop()
        target = self.stack[-1]
        (target if isinstance(target, list) else target.appended).append(value)

    def load_appends(self):
        values = self.pop_mark()
        target = self.stack[-1]
        (target if isinstance(target, list) else target.appended).extend(values)

    def load_setitem(self):
        value, key = self.stack.pop(), self.stack.pop()
        target = self.stack[-1]
        (target if isinstance(target, dict) else target.pairs)[key] = value

    def load_setitems(self):
        values = self.pop_mark()
        target = self.stack[-1]
        for i in range(0, len(values), 2):
            (target if isinstance(target, dict) else target.pairs)[values[i]] = values[i + 1]

    def load_empty_set(self):
        self.append(Set())

    def load_additems(self):
        items = self.pop_mark()
        target = self.stack[-1]
        if isinstance(target, Set):
            target.update(dict.fromkeys(items))
        else:
            target.appended.extend(items)

    def load_frozenset(self):
        items = self.pop_mark()
        self.append(FrozenSet(items))

    for code, method in ((b"R", load_reduce), (b"\x81", load_newobj), (b"\x92", load_newobj_ex),
                         (b"o", load_obj), (b"i", load_inst), (b"b", load_build), (b"a", load_append),
                         (b"e", load_appends), (b"s", load_setitem), (b"u", load_setitems),
                         (b"\x8f", load_empty_set), (b"\x90", load_additems), (b"\x91", load_frozenset)):
        dispatch[code[0]] = method


def describe(value):
    """Preorder text; every container has a number, so that aliases and cycles show."""
    seen = {}

    def many(values):
        return ",".join(show(v) for v in values)

    def pairs(mapping):
        return ",".join(show(k) + ":" + show(v) for k, v in mapping.items())

    def show(v):
        if v is None:
            return "None"
        if isinstance(v, bool):
            return str(v)
        if isinstance(v, int):
            return "i%d" % v
        if isinstance(v, float):
            return "f" + struct.pack(">d", v).hex()
        if isinstance(v, Py2Text):
            return "p" + v.encode("utf-8").hex()
        if isinstance(v, Py2Bytes):
            return "q" + v.hex()
        if isinstance(v, str):
            return "s" + v.encode("utf-8", "surrogatepass").hex()
        if isinstance(v, bytes):
            return "b" + v.hex()
        if isinstance(v, Global):
            return "<%s %s>" % (v.module, v.name)
        if v == () and isinstance(v, tuple):
            return "()"
        if id(v) in seen:
            return "#%d" % seen[id(v)]
        seen[id(v)] = len(seen)
        tag = "%d" % seen[id(v)]
        if isinstance(v, bytearray):
            return "a%s:%s" % (tag, v.hex())
        if isinstance(v, list):
            return "L%s[%s]" % (tag, many(v))
        if isinstance(v, tuple):
            return "T%s(%s)" % (tag, many(v))
        if isinstance(v, Set):
            return "S%s{%s}" % (tag, many(v))
        if isinstance(v, FrozenSet):
            return "Z%s{%s}" % (tag, many(v.elements))
        if isinstance(v, dict):
            return "D%s{%s}" % (tag, pairs(v))
        if isinstance(v, Persistent):
            return "P%s(%s)" % (tag, show(v.pid))
        assert isinstance(v, Object), type(v)
        kwargs = "" if v.kwargs is None else show(v.kwargs)
        return "O%s(%s|%s|%s|%s|%s|%s|%s)" % (tag, v.kind, show(v.callable), many(v.args), kwargs, many(v.appended),
                                              pairs(v.pairs), many(v.states))

    return show(value)


class Plain:
    def __init__(self):
        self.x, self.name = 1, "plain"


class Slots:
    __slots__ = ("a",)

    def __init__(self):
        self.a = 5


class New:
    def __new__(cls, *args, **kwargs):
        return super().__new__(cls)

    def __getnewargs_ex__(self):
        return (1, 2), {"k": 3}


class MyList(list):
    pass


class MyDict(dict):
    pass


Point = collections.namedtuple("Point", "x y")


class WithPids(pickle.Pickler):
    def persistent_id(self, value):
        return ("storage", "0", "cpu", 6) if isinstance(value, Plain) else None


cases = []
emitted = set()


def case(name, data):
    try:
        emitted.update(op.name for op, _, _ in pickletools.genops(data))
    except UnicodeDecodeError:  # pickletools reads STRING as ASCII only
        emitted.add("STRING")
    cases.append((name, data.hex(), describe(Inert(io.BytesIO(data)).load())))


def values():
    shared = [1, 2]
    cyclic = [0]
    cyclic.append(cyclic)
    ring = {}
    ring["self"] = ring
    inside = []
    inside.append((inside, 1))
    yield "none", None
    yield "bools", [True, False]
    yield "ints", [0, 1, 255, 256, 65535, 65536, 2**31 - 1, 2**31, -1, -128, -(2**31), -(2**31) - 1, 2**63 - 1, 2**63,
                   -(2**63), -(2**63) - 1, 2**64, -(2**64), 10**40, -(10**40), 2**1000]
    yield "floats", [0.0, -0.0, 1.5, -2.25e300, 5e-324, 0.1, float("inf"), float("-inf"), float("nan")]
    yield "strings", ["", "a", "line\nbreak\\u", "\u00e9\u20ac\U0001f600", "\ud800x", "x" * 300, "\r\x00\x1a"]
    yield "bytes", [b"", b"a", bytes(range(256)), b"z" * 300]
    yield "bytearray", [bytearray(), bytearray(b"ab\xff")]
    yield "tuples", [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), ((), ((),))]
    yield "lists", [[], [1], [[], [[]]], list(range(1001))]
    yield "dicts", [{}, {"a": 1}, {1: 2, "b": [], (1, 2): None, None: 1.5, 2.5: True}]
    yield "sets", [set(), {3}, frozenset(), frozenset([4])]
    yield "shared", [shared, shared, {"k": shared}]
    yield "cyclic_list", cyclic
    yield "cyclic_dict", ring
    yield "tuple_in_itself", inside
    yield "ordered", collections.OrderedDict(b=1, a=2)
    yield "ordered_1001", collections.OrderedDict.fromkeys(range(1001), 0)
    yield "defaultdict", collections.defaultdict(int, {1: 2})
    yield "counter", collections.Counter("aab")
    yield "deque", collections.deque([1, 2], 5)
    yield "complex", 1 + 2j
    yield "slice", slice(1, 2)
    yield "range", range(3)
    yield "builtins", [len, list, int, str, KeyError]
    yield "plain", [Plain(), Slots(), Point(1, 2)]
    yield "subclasses", [MyList([1, 2]), MyDict(a=1)]


def main():
    for protocol in range(6):
        for name, value in values():
            if name == "plain" and protocol < 2:
                value = [Plain(), Point(1, 2)]
            case("%s_%d" % (name, protocol), pickle.dumps(value, protocol))
    for protocol in range(2, 6):
        case("newargs_ex_%d" % protocol, pickle.dumps(New(), protocol))
    for protocol in range(1, 6):
        out = io.BytesIO()
        plain = Plain()
        WithPids(out, protocol).dump([plain, plain])
        case("persistent_%d" % protocol, out.getvalue())
    by_hand = {
        "no_proto": b"N.",
        "int_bools": b"(I01\nI00\nI-7\nl.",
        "long_line": b"(L12345678901234567890L\nL-5\nL0L\nl.",
        "long1_empty": b"\x80\x02\x8a\x00.",
        "long1_padded": b"\x80\x02\x8a\x03\x01\x00\x00.",
        "long4": b"\x80\x02\x8b\x09\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01.",
        "float_line": b"(F1.5\nF-inf\nF1e10\nl.",
        "string": b"(S'a\\n\\x00\\'\\\\\\101\\q'\nS\"it's\"\nS'\\xff'\nl.",
        "short_binstring": b"(U\x02abU\x01\xffU\x02\xc3\xa9l.",
        "binstring": b"(T\x02\x00\x00\x00abT\x01\x00\x00\x00\xffl.",
        "unicode": b"(V\\u000a\\u005c\\U0001f600\xe9\\q\\\\u0041\nV\nl.",
        "binunicode8": b"\x8d\x03\x00\x00\x00\x00\x00\x00\x00abc.",
        "binbytes8": b"\x8e\x02\x00\x00\x00\x00\x00\x00\x00\xff\x00.",
        "bytearray8": b"\x96\x02\x00\x00\x00\x00\x00\x00\x00\xff\x00.",
        "dup": b"]2\x86.",
        "pop": b"K\x01K\x020.",
        "pop_takes_mark": b"K\x01(0.",
        "pop_mark": b"K\x01(K\x02K\x031.",
        "list_dict_from_mark": b"((K\x01K\x02l(K\x03K\x04dt.",
        "memo_gaps": b"]r\xff\xff\xff\xffq\x05p70000\n0K\x01q\x050j\xff\xff\xff\xffh\x05g70000\n\x87.",
        "memoize_counts": b"\x80\x04]q\x09\x94]\x94h\x01h\x02h\x09\x87.",
        "duplicate_keys": b"}(K\x01K\x0aK\x02K\x0bK\x01K\x0cu.",
        "equal_keys": b"}(K\x01K\x0a\x88K\x0bG\x3f\xf0\x00\x00\x00\x00\x00\x00K\x0cu.",
        "equal_big_keys": b"}(\x8a\x0a\x00\x00\x00\x00\x00\x00\x00\x00\x40\x00K\x01"
                          b"G\x44\x50\x00\x00\x00\x00\x00\x00K\x02G\x43\xe0\x00\x00\x00\x00\x00\x00K\x03"
                          b"\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x80\x00K\x04u.",
        "tuple_keys": b"}(K\x01\x85K\x0a\x88\x85K\x0bK\x01X\x01\x00\x00\x00a\x86K\x0c)K\x0d)K\x0eu.",
        "zero_keys": b"}(G\x00\x00\x00\x00\x00\x00\x00\x00K\x01G\x80\x00\x00\x00\x00\x00\x00\x00K\x02K\x00K\x03u.",
        "nan_keys": b"}(G\x7f\xf8\x00\x00\x00\x00\x00\x00K\x01G\x7f\xf8\x00\x00\x00\x00\x00\x00K\x02u.",
        "text_and_bytes_keys": b"}(X\x01\x00\x00\x00aK\x01C\x01aK\x02U\x01aK\x03u.",
        "frozenset_keys": b"}((K\x01K\x02\x91K\x05(K\x02K\x01K\x02\x91K\x06u.",
        "global_keys": b"}(cm\na\nK\x01cm\na\nK\x02cm\nb\nK\x03u.",
        "set_ops": b"\x8f(K\x01K\x02K\x01\x90.",
        "stack_global": b"X\x01\x00\x00\x00mX\x03\x00\x00\x00a.b\x93.",
        "python2_names": b"(c__builtin__\nlong\nccopy_reg\n_reconstructor\nc__builtin__\neval\nl.",
        "obj": b"(cm\nC\nK\x01K\x02o}X\x01\x00\x00\x00aK\x03sb.",
        "inst": b"(K\x01im\nC\n.",
        "newobj_ex": b"cm\nC\n(K\x01t}X\x01\x00\x00\x00kK\x02s\x92.",
        "two_builds": b"cm\nC\n)\x81K\x01bK\x02b.",
        "object_items": b"cm\nC\n)R(K\x01K\x02eK\x03a(K\x04K\x05uK\x04K\x06s.",
        "call_of_object": b"cm\nf\n)R)R.",
        "persid": b"Pkey 1\n.",
        "binpersid": b"X\x03\x00\x00\x00keyQ.",
        "persistent_class": b"X\x01\x00\x00\x00kQ)\x81.",
        "stop_ignores_rest": b"K\x01K\x02.garbage",
        "frame": b"\x80\x04\x95\x02\x00\x00\x00\x00\x00\x00\x00N.",
        "binint2_unsigned": b"M\xff\xff.",
        "binbytes": b"B\x01\x00\x00\x00a.",
        "long_binget": b"]r\x01\x00\x00\x00j\x01\x00\x00\x00\x86.",
        "get_put_text": b"]p3\n0g3\n.",
    }
    for name, data in by_hand.items():
        case(name, data)
    refused = {"EXT1", "EXT2", "EXT4", "NEXT_BUFFER", "READONLY_BUFFER"}
    missing = {op.name for op in pickletools.opcodes} - refused - emitted
    assert not missing, missing
    for row in cases:
        print("\t".join(row))


main()
