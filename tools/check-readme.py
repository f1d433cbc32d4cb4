#!/usr/bin/env python3
"""usage: check-readme.py [ROOT]

Checks that the C++ program in README.md is the text between the two `// [readme]` markers of examples/hello/main.cpp,
which is compiled and run as a test. Prints the first line that differs; exit code 1 if there is one.
"""
import itertools
import pathlib
import sys


def main() -> int:
    arguments = sys.argv[1:]
    if any(a in ("-h", "--help") for a in arguments):
        print(__doc__.strip())
        return 0
    root = pathlib.Path(arguments[0] if arguments else ".")
    source = (root / "examples/hello/main.cpp").read_text(encoding="utf-8").split("// [readme]\n")
    if len(source) != 3:
        print("examples/hello/main.cpp: expected two lines `// [readme]`")
        return 1
    readme = (root / "README.md").read_text(encoding="utf-8").split("```cpp\n")
    if len(readme) < 2:
        print("README.md: no ```cpp block")
        return 1
    quoted = readme[1].split("```\n")[0]
    pairs = itertools.zip_longest(source[1].splitlines(), quoted.splitlines(), fillvalue="<nothing>")
    for number, (wanted, found) in enumerate(pairs, 1):
        if wanted != found:
            print(f"README.md: line {number} of the program differs from examples/hello/main.cpp")
            print(f"  example: {wanted}\n  README:  {found}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
