#!/usr/bin/env python3
"""Finds the co_await expressions that g++ 12 compiles into a double free, or not at all. See --help."""
import argparse
import os
import re
import sys

HELP = """Finds the forms of co_await that g++ 12 gets wrong (it destroys some temporaries twice):

  capturing-lambda   a lambda temporary with captures by value in an expression that contains co_await
  designated         a braced temporary with designated initializers there
  braced-argument    a braced list without a type as an argument there
  braced-list        a container made of a braced list there, or a braced list with co_await inside
  conditional        ?: there, unless both branches are plain names or numbers
  bare-condition     co_await as the condition of if, while or switch that declares no variable: in a coroutine without
                     any local variable the awaiter is moved bytewise after it was made

In all of them the cure is to name the object in a statement before, and to move it in; or if/else instead of ?:.
It looks at text, not at types, so it can be wrong. Where it is, say why on the same line or the line above:
  // coroutine-ok: int branches
"""

ADVICE = {
    "capturing-lambda": "a lambda with captures by value; name it first: auto f = [...]; co_await g(std::move(f));",
    "designated": "designated initializers; name the object first and move it in",
    "braced-argument": "a braced list as an argument; name the object first, or call a constructor: type(...)",
    "braced-list": "a braced list; name the results first, or the container",
    "bare-condition": "a condition that declares nothing; write if (auto r = co_await x; !r), while (auto r = co_await x)",
    "conditional": "?: whose branches may be temporaries; use if/else, or name the result first",
}
CONTAINERS = {"vector", "list", "deque", "forward_list", "set", "map", "multiset", "multimap", "unordered_set",
              "unordered_map", "unordered_multiset", "unordered_multimap", "initializer_list", "basic_string"}
TYPE_WORDS = {"class", "struct", "union", "enum", "namespace", "concept", "extern"}
BLOCK_AFTER = {"else", "do", "try", "const", "noexcept", "mutable", "override", "final", "constexpr", "consteval", "static",
               ";", ":"}
OPEN = {"(": ")", "[": "]", "{": "}"}
TOKEN = re.compile(r"[A-Za-z_]\w*|\d[\w.']*|::|->|&&|\|\||<<=|>>=|[-+*/%&|^=!<>]=|\S")


class Group:
    """What stands between a pair of brackets."""

    def __init__(self, bracket, line):
        self.bracket, self.line, self.items, self.block, self.lambda_body = bracket, line, [], False, False


class Word:
    def __init__(self, text, line):
        self.text, self.line = text, line


def strip(text):
    """Blanks comments, literals and preprocessor lines, keeps line numbers. Returns the text and the lines that opt out."""
    excused = set()
    pattern = re.compile(
        r'(?P<raw>(?:u8|[uUL])?R"(?P<tag>[^\s()\\]{0,16})\(.*?\)(?P=tag)")|(?P<line>//[^\n]*)|(?P<block>/\*.*?\*/)'
        r'|(?P<string>"(?:\\.|[^"\\\n])*")|(?P<number>\b\d(?:[\w.]|\'(?=\w))*)|(?P<char>\'(?:\\.|[^\'\\\n])+\')'
        r"|(?P<directive>^[ \t]*#(?:[^\n\\]|\\.|\\\n)*)", re.S | re.M)

    def blank(match):
        found = match.group(0)
        if match.lastgroup == "number":
            return found
        if match.group("line") or match.group("block"):
            if re.search(r"coroutine-ok:\s*\w", found):
                line = text.count("\n", 0, match.end()) + 1
                excused.update((line, line + 1))
        filler = '""' if match.group("raw") or match.group("string") else "0" if match.group("char") else " "
        return filler + "\n" * found.count("\n")

    return pattern.sub(blank, text), excused


def parse(text):
    """The text as a tree of words and bracket groups."""
    root = Group("{", 1)
    root.block = True
    stack, line, place = [root], 1, 0
    for match in TOKEN.finditer(text):
        line += text.count("\n", place, match.start())
        place = match.start()
        token = match.group(0)
        if token in OPEN:
            group = Group(token, line)
            stack[-1].items.append(group)
            stack.append(group)
        elif token in OPEN.values():
            if len(stack) > 1 and OPEN[stack[-1].bracket] == token:
                stack.pop()
        else:
            stack[-1].items.append(Word(token, line))
    mark_blocks(root)
    return root


def is_word(item, *texts):
    return isinstance(item, Word) and (not texts or item.text in texts)


def is_group(item, bracket):
    return isinstance(item, Group) and item.bracket == bracket


def is_introducer(items, i):
    """Does items[i], a [...] group, open a lambda?"""
    if not is_group(items[i], "[") or (items[i].items and is_group(items[i].items[0], "[")):
        return False  # [[attribute]]
    before = items[i - 1] if i > 0 else None
    if isinstance(before, Group) and before.bracket in "([":
        return False  # a subscript
    if is_word(before) and re.match(r"\w|\"", before.text):
        if before.text not in ("return", "co_return", "co_await", "co_yield", "else", "do", "in", "case"):
            return False  # a subscript, a binding or delete[]
    if is_word(before, "&", "&&") and i > 1 and is_word(items[i - 2], "auto"):
        return False  # a structured binding
    after = items[i + 1] if i + 1 < len(items) else None
    return is_group(after, "(") or is_group(after, "{") or is_word(after, "<", "mutable", "->", "noexcept", "static")


def mark_blocks(group):
    """Tells the {...} that hold statements from those that hold initializers."""
    items = group.items
    for i, item in enumerate(items):
        if isinstance(item, Group):
            if item.bracket == "{":
                item.block, item.lambda_body = classify(group, i)
            mark_blocks(item)


def classify(parent, i):
    """(is a block, is a lambda's body) of the {...} at parent.items[i]."""
    items, j = parent.items, i - 1
    while j >= 0:  # back over a parameter list, specifiers and a trailing return type, to what they belong to
        item = items[j]
        if is_introducer(items, j):
            return True, True
        if is_group(item, "{") or is_word(item, ";", ",", "=", "?", "return", "co_return", "co_await"):
            if not angle_depth(items, j, i):
                break
        j -= 1
    before = items[i - 1] if i > 0 else None
    if before is None:
        return parent.block, False
    if isinstance(before, Group) and before.bracket in "({":
        return True, False  # a function's or a statement's; after a block or a constructor's initializers
    if is_word(before) and before.text in BLOCK_AFTER:
        return True, False
    start = items[j + 1:i]
    if any(is_word(word) and word.text in TYPE_WORDS for word in start):
        return True, False
    for k, word in enumerate(start):
        if is_word(word, "->") and k > 0 and (is_group(start[k - 1], "(") or is_word(start[k - 1], "const", "noexcept")):
            return True, False  # a trailing return type
    return False, False


def angle_depth(items, start, end):
    """Does items[start] stand inside <...> that closes before items[end]?"""
    depth = 0
    for item in items[start + 1:end]:
        if is_word(item, "<"):
            depth += 1
        elif is_word(item, ">"):
            depth -= 1
    return depth < 0


def expressions(block):
    """The full expressions of a block's statements, each a list of items; nested blocks apart."""
    out, current = [], []
    items = block.items
    for i, item in enumerate(items):
        if is_word(item, ";"):
            out.append(current)
            current = []
            continue
        current.append(item)
        if is_group(item, "{") and item.block and not item.lambda_body:
            out.append(current)
            current = []
        elif is_group(item, "(") and is_condition(current):
            part = []
            for inner in item.items + [Word(";", item.line)]:  # the parts of a for are expressions of their own
                if is_word(inner, ";"):
                    out.append(part)
                    part = []
                else:
                    part.append(inner)
            current = []
    out.append(current)
    return out


def is_condition(items):
    words = [item.text for item in items[:-1] if is_word(item)]
    while words and words[0] in ("else", "do", "co_await"):
        words = words[1:]
    return words in (["if"], ["if", "constexpr"], ["while"], ["for"], ["switch"])


def walk(items):
    """(items, index) of everything in an expression, inside brackets too, but not inside blocks."""
    for i, item in enumerate(items):
        yield items, i
        if isinstance(item, Group) and not item.block:
            yield from walk(item.items)


def split_commas(items):
    parts = [[]]
    for item in items:
        if is_word(item, ","):
            parts.append([])
        else:
            parts[-1].append(item)
    return [part for part in parts if part]


def captures_by_value(group):
    """Does a lambda introducer copy or move anything in that might have a destructor?"""
    for capture in split_commas(group.items):
        if is_word(capture[0], "&") or is_word(capture[0], "this"):
            continue
        return True
    return False


def has_co_await(items):
    return any(is_word(where[i], "co_await") for where, i in walk(items))


def plain(branch):
    return all(is_word(item) and re.match(r"[\w.:!~*&-]", item.text) and item.text != "co_await" for item in branch)


def container_before(items, i):
    """Is items[i], a {...}, preceded by a container's name, with or without template arguments?"""
    j, depth = i - 1, 0
    while j >= 0:
        if is_word(items[j], ">"):
            depth += 1
        elif is_word(items[j], "<"):
            depth -= 1
        elif depth == 0:
            return is_word(items[j]) and items[j].text in CONTAINERS
        j -= 1
    return False


def check_expression(items):
    """(line, rule) of everything wrong in one full expression."""
    if not has_co_await(items):
        return
    for where, i in walk(items):
        item = where[i]
        before = where[i - 1] if i > 0 else None
        if is_group(item, "[") and is_introducer(where, i) and captures_by_value(item):
            yield item.line, "capturing-lambda"
        elif is_word(item, "?"):
            depth, colon, end = 0, None, len(where)
            for j in range(i + 1, len(where)):
                if is_word(where[j], "?"):
                    depth += 1
                elif is_word(where[j], ":"):
                    if depth == 0 and colon is None:
                        colon = j
                    depth -= 1
                elif is_word(where[j], ",") and colon is not None:
                    end = j
                    break
            if colon is None or not (plain(where[i + 1:colon]) and plain(where[colon + 1:end])):
                yield item.line, "conditional"
        elif is_group(item, "{") and not item.block and item.items:
            if is_word(item.items[0], ".") and len(item.items) > 2 and is_word(item.items[2], "="):
                yield item.line, "designated"
            elif container_before(where, i):
                yield item.line, "braced-list"
            elif before is None or is_word(before, ",", "=", "return", "co_return"):
                if has_co_await(item.items):
                    yield item.line, "braced-list"
                elif before is None or is_word(before, ","):
                    yield item.line, "braced-argument"


def blocks(group):
    if group.block:
        yield group
    for item in group.items:
        if isinstance(item, Group):
            yield from blocks(item)


def bare_conditions(group):
    """(line, rule) of conditions that await without declaring a variable, in this group and below."""
    for i, item in enumerate(group.items):
        if is_group(item, "(") and has_co_await(item.items) and not any(is_word(x, "=", ";") for x in item.items):
            j = i - 2 if i > 1 and is_word(group.items[i - 1], "constexpr") else i - 1
            if j >= 0 and is_word(group.items[j], "if", "while", "switch"):
                yield item.line, "bare-condition"
        if isinstance(item, Group):
            yield from bare_conditions(item)


def check_text(text):
    """(line, rule) of everything wrong in a source file, without what opts out."""
    stripped, excused = strip(text)
    if "co_await" not in stripped:
        return []
    tree = parse(stripped)
    found = set(bare_conditions(tree))
    for block in blocks(tree):
        for expression in expressions(block):
            found.update(check_expression(expression))
    return sorted((line, rule) for line, rule in found if line not in excused)


def sources(paths):
    for path in paths:
        if not os.path.isdir(path):
            yield path
            continue
        for folder, folders, files in os.walk(path):
            folders[:] = sorted(name for name in folders if name not in ("build", "node_modules") and name[0] != ".")
            for name in sorted(files):
                if name.endswith((".hpp", ".cpp", ".h", ".cc", ".ipp")):
                    yield os.path.join(folder, name)


BAD = [
    ("capturing-lambda", "task<> f() { co_await g.go([s] { use(s); }); }"),
    ("capturing-lambda", "task<> f() { co_await g.go([s = std::move(s)]() mutable -> task<> { co_return; }); }"),
    ("capturing-lambda", "task<> f() { auto r = co_await run(1, [=](int x) { return x + s; }); }"),
    ("capturing-lambda", "task<> f() { EXPECT_TRUE((co_await run([&a, b] { return a + b; })).has_value()); }"),
    ("capturing-lambda", "auto f = []() -> task<> { co_await run([s] { return s; }); };"),
    ("capturing-lambda", "task<> f() { if (auto r = co_await run([s] { return s; })) { g(); } }"),
    ("capturing-lambda", "task<> f() { co_await [s]() -> task<> { co_return; }(); }"),
    ("capturing-lambda", "task<> f() { while (true) {\n  // why\n  co_return co_await run([*this] { return 1; });\n} }"),
    ("capturing-lambda", "task<> f() { return_type x{co_await run([s] { return s; })}; }"),
    ("designated", "task<> f() { co_await open({.name = s, .size = 3}); }"),
    ("designated", "task<> f() { co_await open(options{.name = s}); }"),
    ("braced-argument", "task<> f() { co_await open(1, {name, 3}); }"),
    ("braced-list", "task<> f() { auto v = std::vector<int>{co_await a(), co_await b()}; }"),
    ("braced-list", "task<> f() { std::vector v{co_await a(), co_await b()}; take(std::vector{co_await a()}); }"),
    ("braced-list", "task<> f() { co_await all(std::vector<std::pair<int, x>>{a, b}); }"),
    ("braced-list", "task<> f() { pair<int, int> p = {co_await a(), co_await b()}; }"),
    ("conditional", "task<> f() { auto s = x ? std::string(\"a\") : co_await name(); }"),
    ("bare-condition", "task<> f() { if (!co_await ready()) g(); }"),
    ("bare-condition", "task<> f() { while (co_await more()) { g(); } }"),
    ("bare-condition", "auto f = []() -> task<> { switch (co_await g()) { default: break; } };"),
    ("conditional", "task<> f() { use(co_await ready() ? make(1) : make(2)); }"),
]
GOOD = [
    "task<> f() { auto g = [s] { use(s); }; co_await run(std::move(g)); }",
    "task<> f() { co_await run([&] { return s; }); co_await run([&s, &t](int x) { return x; }); co_await run([this] {}); }",
    "task<> f() { co_await run([](int x) { return x; }, 3); }",
    "task<> f() { spawn([s]() -> task<> { co_await sleep(1ms); }); }",
    "task<> f() { auto h = spawn([s]() -> task<result<int>> { co_return co_await g(s); }); co_await h; }",
    "task<> f() { auto [a, b] = co_await both(); auto& [c, d] = *co_await pair(); v[i] = co_await next(); }",
    "task<> f() { int n = co_await ready() ? 1 : 2; use(x ? a : b, co_await c()); }",
    "task<> f() { options o{.name = s}; co_await open(std::move(o)); }",
    "task<> f() { if (ok) { auto v = std::vector{1, 2}; } else { co_await g(); } }",
    "task<> f() { for (auto x : std::vector{1, 2}) co_await g(x); }",
    "task<> f() { if (pick ? make(1) : make(2)) co_await g(); }",
    "// co_await run([s] {});\nconst char* text = \"co_await run([s] {})\"; /* co_await x ? y() : z() */",
    "auto text = R\"x(co_await run([s] {}) \" )x\"; char c = '\"'; int n = 1'000; task<> f() { co_await g(); }",
    "#define GO(x) co_await run([x] {})\n",
    "task<> f() { co_await run([n] { return n; });  // coroutine-ok: n is an int\n }",
    "task<> f() {\n  // coroutine-ok: int branches\n  use(co_await a() ? b() : c());\n}",
    "struct s { int x{1}; task<> f() const { co_await g(); } std::vector<int> v = {1, 2}; };",
    "namespace a { class b : c { public: explicit b(int x) : x_{x}, y_{[x] { return x; }} { } task<> f(); }; }",
    "task<> f() { [[maybe_unused]] auto x = co_await g(); delete[] p; co_await g({}); }",
    "task<> f() { if (auto r = co_await g(); !r) h(); while (auto v = co_await g()) use(*v); if (ok) co_await h(); }",
    "task<> f() { switch (const int n = co_await g()) { case 1: use({1, 2}); break; default: use(x ? y() : z()); } }",
    "auto f = [s](int x) -> task<std::pair<int, int>> { co_await g(); };",
    "task<> f() { co_await g(pair<int, int>(1, 2)); co_return result<int>{co_await h()}; }",
]


def self_test():
    failures = 0
    for rule, text in BAD:
        rules = {found for _, found in check_text(text)}
        if rules != {rule}:
            failures += 1
            print(f"expected {rule}, got {', '.join(sorted(rules)) or 'nothing'}: {text}")
    for text in GOOD:
        for line, rule in check_text(text):
            failures += 1
            print(f"expected nothing, got {rule} in line {line}: {text}")
    print(f"{len(BAD)} bad and {len(GOOD)} good samples, {failures} failures")
    return 1 if failures else 0


def main():
    parser = argparse.ArgumentParser(description=HELP, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", nargs="*", help="files or folders; build, node_modules and hidden folders are left out")
    parser.add_argument("--self-test", action="store_true", help="check that good and bad samples are told apart")
    options = parser.parse_args()
    if options.self_test:
        return self_test()
    if not options.path:
        parser.error("name files or folders to check")
    found = count = 0
    for path in sources(options.path):
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                text = file.read()
        except OSError as error:
            print(f"check-coroutines: {path}: {error.strerror}", file=sys.stderr)
            return 2
        count += 1
        for line, rule in check_text(text):
            found += 1
            print(f"{path}:{line}: {rule}: with co_await in one expression: {ADVICE[rule]}")
    if count == 0:
        print("check-coroutines: no C++ source below the given paths", file=sys.stderr)
        return 2
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
