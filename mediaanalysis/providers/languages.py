"""English names of languages, as Whisper gives them, to codes (ISO 639)."""

from __future__ import annotations

import re

_NAMES = """
english en; chinese zh; german de; spanish es; russian ru; korean ko; french fr; japanese ja; portuguese pt; turkish
tr; polish pl; catalan ca; dutch nl; arabic ar; swedish sv; italian it; indonesian id; hindi hi; finnish fi;
vietnamese vi; hebrew he; ukrainian uk; greek el; malay ms; czech cs; romanian ro; danish da; hungarian hu; tamil
ta; norwegian no; thai th; urdu ur; croatian hr; bulgarian bg; lithuanian lt; latin la; maori mi; malayalam ml;
welsh cy; slovak sk; telugu te; persian fa; latvian lv; bengali bn; serbian sr; azerbaijani az; slovenian sl;
kannada kn; estonian et; macedonian mk; breton br; basque eu; icelandic is; armenian hy; nepali ne; mongolian mn;
bosnian bs; kazakh kk; albanian sq; swahili sw; galician gl; marathi mr; punjabi pa; sinhala si; khmer km; shona sn;
yoruba yo; somali so; afrikaans af; occitan oc; georgian ka; belarusian be; tajik tg; sindhi sd; gujarati gu;
amharic am; yiddish yi; lao lo; uzbek uz; faroese fo; haitian_creole ht; pashto ps; turkmen tk; nynorsk nn; maltese
mt; sanskrit sa; luxembourgish lb; myanmar my; tibetan bo; tagalog tl; malagasy mg; assamese as; tatar tt; hawaiian
haw; lingala ln; hausa ha; bashkir ba; javanese jv; sundanese su; cantonese yue; mandarin zh; burmese my; castilian
es; flemish nl; valencian ca; moldavian ro
"""

CODES: dict[str, str] = {name.replace("_", " "): short for name, short in (pair.split() for pair in _NAMES.split(";"))}


def code(language: str) -> str | None:
    """`english`, `English`, `en` and `en-US` all become what a client may ask for; None for anything else."""
    known = CODES.get(language.strip().lower())
    if known:
        return known
    return language if re.fullmatch(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*", language) else None
