#!/usr/bin/env python3
"""Helpers of .ci/qapi: literal, json and count are filters; mutate ROOT RR DIR N compares rr with
scripts/qapi."""
import collections
import contextlib
import glob
import io
import json
import os
import random
import re
import subprocess
import sys


def literal():
    """The C literal that scripts/qapi generates, as JSON with sorted keys."""
    text = sys.stdin.read()
    text = text[text.index('QLIT_QLIST'):]
    text = text[:text.index('}));') + 3]
    text = re.sub(r'QLIT_QSTR\(("[^"]*")\)', r'\1', text)
    for old, new in [('QLIT_QBOOL(true)', 'True'), ('QLIT_QBOOL(false)', 'False'),
                     ('QLIT_QNULL', 'None'), ('QLIT_QLIST(((QLitObject[]) {', 'list(['),
                     ('QLIT_QDICT(((QLitDictEntry[]) {', 'dict(['),
                     ('{}', ''), ('}))', '])'), ('{', '('), ('}', ')')]:
        text = text.replace(old, new)
    print(json.dumps(eval(text), sort_keys=True, indent=1))


def same_json():
    print(json.dumps(json.load(sys.stdin), sort_keys=True, indent=1))


def count():
    infos = json.load(sys.stdin)
    kinds = sorted(collections.Counter(info['meta-type'] for info in infos).items())
    oob = sorted(info['name'] for info in infos if info.get('allow-oob'))
    counts = ', '.join(f'{n} {kind}' for kind, n in kinds)
    print(f"{len(infos)}: {counts}; out of band {' '.join(oob)}")


TOKEN = re.compile(r"'[^'\n]*'|#.*|[{}\[\]:,]|true|false|\s+|.")


def mutated(text, pool, rnd):
    parts = TOKEN.findall(text)
    some = lambda wanted: [at for at, part in enumerate(parts) if part[0] == wanted]
    for _ in range(rnd.choice([1, 1, 1, 2, 3])):
        if not parts:
            break
        at, other = rnd.randrange(len(parts)), rnd.randrange(len(parts))
        strings, comments = some("'"), some('#')
        kind = rnd.randrange(6)
        if kind == 0:
            del parts[at]
        elif kind == 1:
            parts[at] = rnd.choice(pool)
        elif kind == 2:
            parts[at], parts[other] = parts[other], parts[at]
        elif kind == 3 and strings:
            parts[rnd.choice(strings)] = rnd.choice([part for part in pool if part[0] == "'"])
        elif kind == 4 and comments:
            parts[rnd.choice(comments)] = rnd.choice([part for part in pool if part[0] == '#'])
        elif strings:
            parts[rnd.choice(strings)] = parts[rnd.choice(strings)]
    return ''.join(parts)


def mutate(root, rr, folder, rounds):
    """Runs mutated schemas through both, until the results differ. A crash of scripts/qapi is no
    result."""
    sys.path.insert(0, root + '/scripts')
    cases = root + '/tests/qapi-schema/'
    front = {}
    with open(cases + 'test-qapi.py', encoding='utf-8') as script:
        exec(script.read().split('def open_test_result')[0], front)
    texts = {}
    for name in sorted(glob.glob(cases + '*.json')):
        with open(name, encoding='utf-8') as file:
            texts[os.path.basename(name)] = file.read()
    # Most cases are bad schemas. Half of the time, use one of the two good ones, which use every
    # feature.
    include = "{ 'include': 'include/sub-module.json' }"
    big = texts['qapi-schema-test.json'].replace(include, "{ 'enum': 'Status', 'data': ['good'] }")
    good = [big, texts['doc-good.json']]
    texts = [text for text in texts.values() if "'include'" not in text]
    texts += good * (len(texts) // 2)
    pool = {part for text in texts for part in TOKEN.findall(text) if not part.isspace()}
    # As a type's name, this is no type to scripts/qapi, and an unknown type to rr.
    pool = sorted(pool - {"''"})
    rnd = random.Random(7)
    os.chdir(folder)
    tally = collections.Counter()
    for _ in range(int(rounds)):
        text = mutated(rnd.choice(texts), pool, rnd)
        with open('s.json', 'w', encoding='utf-8') as file:
            file.write(text)
        out, message = io.StringIO(), ''
        try:
            with contextlib.redirect_stdout(out):
                front['test_frontend']('s.json')
        except front['QAPIError'] as error:
            message = f'{error}\n'
        except Exception:
            message = None
        check = [rr, 'qapi', 'check', '--dump', 's.json']
        ours = subprocess.run(check, capture_output=True, text=True)
        said = ours.stderr
        if message is not None and not re.search(r'^s\.json:\d+:\d+: ', message, re.M):
            said = re.sub(r'^(s\.json:\d+):\d+: ', r'\1: ', said, flags=re.M)
        same = said == message and (message or ours.stdout == out.getvalue())
        if ours.returncode not in (0, 1) or message is not None and not same:
            both = f'-- scripts/qapi: {message or "fine"}\n-- rr: {ours.stderr or "fine"}'
            print(f'{text}\n{both}', file=sys.stderr)
            sys.exit(1)
        tally['crashed' if message is None else 'refused' if message else 'good'] += 1
    print(f"qapi: {rounds} mutated schemas the same: "
          f"{tally['good']} good, {tally['refused']} refused, "
          f"{tally['crashed']} that scripts/qapi crashes on")


COMMANDS = {'literal': literal, 'json': same_json, 'count': count, 'mutate': mutate}
COMMANDS[sys.argv[1]](*sys.argv[2:])
