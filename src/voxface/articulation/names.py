"""How phones are written elsewhere: ARPAbet and the names of festival and flite, IPA, SAMPA, mrpa.

Symbols: ARPAbet as CMUdict 0.7b has it; IPA, the International Phonetic Association's Handbook (1999), as the Montreal
Forced Aligner and espeak-ng write it; SAMPA, J. C. Wells, "SAMPA computer readable phonetic alphabet" (1997), as
WebMAUS writes it; mrpa, the machine-readable phonetic alphabet of Edinburgh, as British festival voices use it. What we
lack becomes the phone that looks most like it on the lips.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

_SILENT = ("", "sil", "pau", "h#", "#", "_", "<sil>", "<p:>", "<p>", "sp", "spn", "<eps>", "<s>", "</s>", "brth",
           "ssil", "pause", "<usb>", "<nib>", "-", "q", "cl", "ax-h#")  # fmt: skip
"""Silence and the glottal stop, which no lip shows; spn is noise that the aligner could not name."""


def _words(text: str) -> dict[str, str]:
    """ "a b  c d" pairs: label, phone, label, phone."""
    words = text.split()
    return dict(zip(words[::2], words[1::2], strict=True))


_ARPABET = _words("""
    aa aa ae ae ah ah ao ao aw aw ay ay b b ch ch d d dh dh eh eh er er ey ey f f g g hh hh ih ih iy iy jh jh k k l l
    m m n n ng ng ow ow oy oy p p r r s s sh sh t t th th uh uh uw uw v v w w y y z z zh zh
    ax ax axr er ax-h ax ix ix ux uw dx d nx n el l em m en n eng ng hv hh wh w h hh ue ue oe oe kh kh rr rr
    bcl b dcl d gcl g pcl p tcl t kcl k
""")
"""CMUdict, TIMIT, flite and festival (radio, cmu), and the symbols of ours that they lack. A closure of TIMIT (bcl)
counts as its stop."""

_IPA = _words("""
    p p b b m m f f v v ɸ f β v ɱ m ʋ v w w ʍ w ɥ w pf f
    t t d d ʈ t ɖ d c k ɟ g k k ɡ g g g q k ɢ g ʔ sil ɾ d ɽ d ɴ ng
    n n ɲ n ŋ ng ɳ n θ th ð dh s s z z ts s dz z ʃ sh ʒ zh ʂ sh ʐ zh ɕ sh ʑ zh tʃ ch dʒ jh tɕ ch dʑ jh tʂ ch dʐ jh
    ʧ ch ʤ jh ʦ s ʣ z ç kh x kh ɣ kh χ kh ʁ kh ħ hh ʕ hh h hh ɦ hh j y ʝ y l l ɫ l ɬ l ɭ l ʎ l ɺ l ɹ r ɻ r r rr ʀ kh
    i iy ɪ ih ᵻ ih y ue ʏ ue ɨ ix ɘ ix ʉ uw ɯ ix u uw ʊ uh e ey ø oe ɵ oe ɤ ah o ow ə ax ɜ er ɝ er ɚ er ɐ ax ɛ eh œ oe
    ɶ oe ɞ er ʌ ah ɔ ao æ ae a aa ɑ aa ɒ aa
    aɪ ay aʊ aw ɔɪ oy eɪ ey oʊ ow əʊ ow ɑɪ ay ɑʊ aw ai ay au aw ei ey oi oy ou ow ɔʏ oy ɔø oy aj ay aw aw ej ey ɔj oy
    əw ow ow ow ɪə ih eə eh ʊə uh ɔə ao ɛə eh iə iy aɪə ay aʊə aw ɑɹ aa ɔɹ ao oɹ ao ɛɹ eh ɪɹ ih ʊɹ uh ɑr aa ɔr ao
    əl l ən n əm m aɪɚ ay iː iy uː uw ɑː aa ɔː ao ɜː er eː ey oː ow aː aa
""")

_SAMPA = _words("""
    p p b b m m f f v v P v w w t t d d k k g g c k ? sil 4 d n n J n N ng T th D dh s s z z S sh Z zh ts s dz z tS ch
    dZ jh pf f C kh x kh G kh X kh R kh h hh j y l l L l 5 l r r r\\ r i iy I ih y ue Y ue 1 ix u uw U uh } uw e ey 2 oe
    o ow @ ax 3 er 6 ax E eh 9 oe V ah O ao { ae a aa A aa Q aa aI ay aU aw OI oy OY oy eI ey oU ow @U ow I@ ih e@ eh
    U@ uh i: iy u: uw A: aa O: ao 3: er a: aa e: ey E: eh o: ow 2: oe y: ue =l l =n n =m m @l l @n n
""")

_MRPA = _words("""
    p p b b m m f f v v w w t t d d k k g g n n ng ng th th dh dh s s z z sh sh zh zh ch ch jh jh h hh y y l l r r
    ii iy i ih uu uw u uh e eh a ae aa aa o aa oo ao uh ah @ ax @@ er ei ey ai ay oi oy ou ow au aw i@ ih e@ eh u@ uh
""")

SCHEMES: Mapping[str, Mapping[str, str]] = {"arpabet": _ARPABET, "ipa": _IPA, "sampa": _SAMPA, "mrpa": _MRPA}
"""Ways to write phones: label -> phone. Where several know a label, the first counts."""

_MARKS = "ˈˌːˑ'\u2019\"ʰʱʲʷʼˠˤⁿˡ˞\u0361\u035c.|‿"
_KEPT = "\u0327"  # the cedilla of ç


def spoken_name(label: str, scheme: str) -> str | None:
    """The phone that a label means in one scheme, marks of stress, length and articulation left out; None: unknown."""
    name = label.strip()
    if name.lower() in _SILENT and not (name == "q" and scheme == "ipa"):
        return "sil"
    known = SCHEMES[scheme]
    if scheme == "arpabet":
        return known.get(re.sub(r"[012]$", "", name.lower()))
    if name in known:
        return known[name]
    if scheme == "ipa":
        plain = _plain_ipa(name)
        return known.get(plain) or known.get(plain[:1] if len(set(plain)) == 1 else plain)
    plain = re.sub(r"^[\"%']+|[:_~`'%\"]|\\$|\d$" if scheme == "mrpa" else r"[\"%~`']", "", name)
    return known.get(plain) or known.get(plain.rstrip(":"))


def _plain_ipa(name: str) -> str:
    """Without stress, length, ties and diacritics: "ˈaɪ̯" is "aɪ", "t͡ʃʰ" is "tʃ"."""
    letters = unicodedata.normalize("NFD", name)
    plain = (c for c in letters if c not in _MARKS and (c in _KEPT or not unicodedata.combining(c)))
    return unicodedata.normalize("NFC", "".join(plain))


def stress_of(label: str) -> int:
    """0, 1 (primary) or 2 (secondary): a digit behind an ARPAbet vowel, a mark before an IPA one."""
    name = label.strip()
    if re.fullmatch(r"[A-Za-z]{2}[012]", name):
        return int(name[-1])
    return 1 if name.startswith(("ˈ", "'", '"')) else 2 if name.startswith(("ˌ", "%")) else 0
