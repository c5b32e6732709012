#!/usr/bin/env python3
"""bpe.py: makes bpe.json, a byte-level BPE of a few hundred merges with Qwen's split, NFC and added tokens, and bpe.cases, texts with their ids.

Trained and encoded by the plain rules, with nothing of the program: its tests compare. Needs the module regex. Run in this folder.
SPDX-License-Identifier: MIT"""
import collections
import json
import random
import unicodedata

import regex

SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
TEXT = """Once there was a small boat that couldn't find the sea. It asked the river, and the river said: "Follow me, I'm going there."
The boat followed the river past three mills, two bridges and the old town; it didn't stop for 12 days.  Then there was the sea!

Es war einmal ein kleines Boot, das fand das Meer nicht. Über die Brücke führte der Weg nach Süden, ganz langsam, größer wurde der Fluß.
Il était une fois un petit bateau; où était la mer? À côté, après l'été, là-bas.
昔々、小さな舟が海を探していました。川は「ついておいで」と言いました。舟は川の後について行きました。
Жила-была маленькая лодка. Где же море? Лодка плыла по реке.
"""
ADDED = [("<|end|>", True), ("<|start|>", True), ("<think", False), ("<think>", False), ("</think>", False)]


def alphabet():
    stay = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    table, other = {}, 0
    for b in range(256):
        if b in stay:
            table[b] = chr(b)
        else:
            table[b] = chr(256 + other)
            other += 1
    return table


BYTE = alphabet()


def pieces(text):
    return ["".join(BYTE[b] for b in p.encode()) for p in regex.findall(SPLIT, unicodedata.normalize("NFC", text))]


def train(text, merges):
    words, rules = collections.Counter(pieces(text)), []
    seqs = {w: list(w) for w in words}
    for _ in range(merges):
        count = collections.Counter()
        for w, n in words.items():
            for pair in zip(seqs[w], seqs[w][1:]):
                count[pair] += n
        if not count:
            break
        best = min(count, key=lambda p: (-count[p], p))
        rules.append(best)
        for w in words:
            seqs[w] = join(seqs[w], best)
    return rules


def join(seq, pair):
    out, i = [], 0
    while i < len(seq):
        if i + 1 < len(seq) and (seq[i], seq[i + 1]) == pair:
            out.append(seq[i] + seq[i + 1])
            i += 2
        else:
            out.append(seq[i])
            i += 1
    return out


def encode_piece(word, rank, vocab):
    seq = list(word)
    while len(seq) > 1:
        found = [(rank[p], i) for i, p in enumerate(zip(seq, seq[1:])) if p in rank]
        if not found:
            break
        _, i = min(found)
        seq[i:i + 2] = [seq[i] + seq[i + 1]]
    return [vocab[s] for s in seq]


def encode(text, rank, vocab, added, special):
    names = sorted((n for n, s in ADDED if special or not s), key=len, reverse=True)
    ids, start, i = [], 0, 0
    flush = lambda s: [i for p in pieces(s) for i in encode_piece(p, rank, vocab)]
    while i < len(text):
        hit = next((n for n in names if text.startswith(n, i)), None)
        if hit is None:
            i += 1
            continue
        ids += flush(text[start:i]) + [added[hit]]
        i += len(hit)
        start = i
    return ids + flush(text[start:])


def cases():
    r = random.Random(4)
    bits = ["a", "the", " ", "  ", "\n", "\r\n", "'s", "'LL", "'ſ", "1", "23", "\u00a0", "\u2003", "ü", "海", "。", "!", "?!", "<think>", "<think", "</think>",
            "<|end|>", "<|start|>", "\t", "e\u0301", "\u0301", "\u180e", "\u0085", "\u212b", "q\u0323\u0307", "\u1112\u1161\u11ab", "か\u3099", "😀", "лодка", "_",
            "\u2126", "½", "٣", "\u0344", "boat", "\u3000"]
    yield ""
    yield from TEXT.split("\n")
    yield TEXT
    for k in range(80):
        yield "".join(r.choice(bits) for _ in range(r.randrange(1, 30)))
    for k in range(30):
        yield "".join(chr(r.choice([r.randrange(1, 0x250), r.randrange(0x300, 0x370), r.randrange(0x400, 0x1200), r.randrange(0x3040, 0x3100), r.randrange(0x4e00, 0x9fa6)]))
                      for _ in range(r.randrange(1, 40)))
    yield "ab" * 200
    yield " " * 70 + "x"


def main():
    rules = train(TEXT, 400)
    vocab = {c: i for i, c in enumerate(sorted(BYTE.values()))}
    for a, b in rules:
        vocab.setdefault(a + b, len(vocab))
    added = {n: len(vocab) + i for i, (n, _) in enumerate(ADDED)}
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    file = {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": added[n], "content": n, **flags, "special": s} for n, s in ADDED],
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": SPLIT}, "behavior": "Isolated", "invert": False}, level]},
        "post_processor": level, "decoder": level,
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": "", "end_of_word_suffix": "", "fuse_unk": False,
                  "byte_fallback": False, "ignore_merges": False, "vocab": vocab, "merges": [f"{a} {b}" for a, b in rules]},
    }
    with open("bpe.json", "w", encoding="utf-8") as f:
        json.dump(file, f, ensure_ascii=False, indent=0)
        f.write("\n")
    rank = {pair: i for i, pair in reversed(list(enumerate(rules)))}
    with open("bpe.cases", "w", encoding="ascii") as f:
        for text in cases():
            for special in (0, 1):
                ids = encode(text, rank, vocab, added, special)
                f.write(f"{special} {text.encode().hex() or '-'}: {' '.join(map(str, ids))}\n")


main()
