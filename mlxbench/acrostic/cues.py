"""The words by which people talk of acrostics: that there is one, that there is none, doubts.

Patterns over one cleaned sentence, in the languages in which replies come; none looks further than
a few dozen characters, so that reading stays linear.
"""

from __future__ import annotations

import re


def any_of(*patterns: str) -> re.Pattern[str]:
    """One pattern that matches where any does, whatever the case."""
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.IGNORECASE)


# That the talk is of the letters with which lines begin.
CUE = any_of(
    r"acrostic",
    r"akrosti",
    r"acr[oó]stic",
    r"アクロスティック",
    r"藏头|藏頭|离合",
    r"\binitials\b",
    r"\b(?:line|stanza|verse|each|every|the)\s+initial\b(?=\s+of|\s*[:.,]|\s+spell)",
    r"\binitial\s+(?:of|letters?|characters?)\b",
    r"(?:first|initial|starting|opening|beginning|leading|capital)\s+letters\b",
    r"(?:first|initial|starting|opening|beginning|leading|capital)\s+letter\s+(?:of|in|from|on)\b",
    r"\bletters?\s+(?:in front|at the (?:front|start|beginning))|\bjust the letters\b",
    r"\bletters?\b[^.\n]{0,40}\b(?:each|every|the)\s+lines?\b",
    r"\blines?['’]?s?\s+(?:initials?|openings?|starts?|beginnings?)\b",
    r"first\s+(?:characters?|chars?)\b",
    r"(?:read|reading|spell\w*|look\w*)\s+(?:\w+\s+){0,3}(?:vertically|downwards?|"
    r"top[- ]to[- ]bottom|down the (?:page|left|side|margin))",
    r"\bfrom top to bottom\b",
    r"\blines?\b[^.\n]{0,20}\b(?:begin|start|open)s?\b",
    r"\bletters\s+(?:that\s+|which\s+)?(?:form|spell|make|give|say|read)\b",
    r"\bleft-hand\b",
    r"\b(?:bold|bolded|capital|highlighted|marked)\s+letters?\b|\bcapitals\b",
    r"\b(?:left|first)[- ](?:edge|margin|side|column)\b|\bin the margin\b",
    r"down the left",
    r"(?:hidden|secret|concealed|coded|embedded|encoded|second)\s+(?:message|phrase|"
    r"sentence|text|word|meaning)s?",
    r"\bspell(?:s|ed|ing)?\b(?!\s*(?:-?check|ing\b))",
    r"anfangsbuchstab",
    r"erste[nr]?\s+buchstab",
    r"initialen",
    r"premi[èe]res?\s+lettres?",
    r"\binitiales?\b",
    r"primeras?\s+letras?",
    r"letras?\s+inicial",
    r"\biniciales\b",
    r"\biniziali\b",
    r"prime\s+lettere",
    r"beginletters?",
    r"eerste\s+letters?",
    r"primeiras?\s+letras?",
    r"\biniciais\b",
    r"pierwsz\w+\s+liter",
    r"перв\w+\s+букв",
    r"акрости",
    r"首字母|头字母|頭文字|最初の文字|첫\s*글자|이합시",
    r"första\s+bokst",
    r"forbokstav",
)
# One of these is in whatever `CUE` matches; looking for them first makes reading five times faster.
_STEMS = (
    *("acr", "akr", "letter", "initial", "iniz", "inici", "line", "spell", "char", "top", "bottom"),
    *("left", "message", "phrase", "sentence", "text", "word", "meaning", "vertical", "down"),
    *("buchstab", "lettre", "letra", "lettere", "liter", "букв", "акрости", "capitals", "margin"),
    *(
        "アクロ",
        "藏",
        "离合",
        "首字",
        "头字",
        "頭文字",
        "最初",
        "첫",
        "이합",
        "bokst",
        "column",
        "side",
    ),
)


def of_initials(text: str) -> bool:
    """Whether the talk is of the letters with which lines begin."""
    lowered = text.lower()
    return any(stem in lowered for stem in _STEMS) and CUE.search(text) is not None


# That it is this poem which hides something, rather than that something was looked at.
HIDDEN = any_of(
    r"acrostic",
    r"akrosti",
    r"acr[oó]stic",
    r"アクロスティック",
    r"藏头|藏頭",
    r"акрости",
    r"(?:letters|initials|buchstaben|lettres?|letras?|"
    r"lettere)\b[^.\n]{0,80}\b(?:message|messages?|secret|hidden|something|hide|hides|carry|"
    r"carries|contain|spell|spells|form|forms|reveal|say|says|versteckt|botschaft|caché|"
    r"cachée|oculto|oculta|mensaje|nascosto)\b",
    r"(?:message|secret|something|hidden|botschaft|mensaje|"
    r"messaggio)\b[^.\n]{0,80}\b(?:first letters?|initials?|letters? (?:of|that)|"
    r"anfangsbuchstab|premières lettres|primeras letras|iniziali)",
    r"\b(?:letters?|initials|lines?|stanzas|poem|they|it)\b[^.\n]{0,30}\bspell(?:s|ed|"
    r"ing)?\s+(?:out\s+)?(?:an?|some|the|its)\s+(?:\w+\s+)?(?:message|phrase|sentence|word|"
    r"name|secret|warning)",
)
# A verb or colon after which the phrase itself follows.
CLAIM = any_of(
    r"\bspell(?:s|ed|t|ing)?(?:\s+out)?",
    r"\bread(?:s|ing)?\b",
    r"\bsay(?:s|ing)?\b",
    r"\bform(?:s|ed|ing)?\b",
    r"\bgive(?:s)?\b",
    r"\bgave\b",
    r"\bmak(?:e|es|ing)\b(?:\s+up)?",
    r"\byield(?:s|ed)?\b",
    r"\breveal(?:s|ed|ing)?\b",
    r"\bproduc(?:e|es|ing)\b",
    r"\bget(?:s)?\b",
    r"\bbecom(?:e|es)\b",
    r"\bhid(?:e|es|den|ing)\b",
    r"\bcontain(?:s|ing)?\b",
    r"\bis\b",
    r"\bare\b",
    r"\bwas\b",
    r"\bwould be\b",
    r"\bthat's\b",
    r"\bit's\b",
    r"\bmessage\b",
    r"\bacrostic\b",
    r"\bphrase\b",
    r"\bsentence\b",
    r"\bword\b",
    r"\btogether\b",
    r"ergeben",
    r"ergibt",
    r"bilden",
    r"lauten",
    r"lautet",
    r"steht",
    r"heißt",
    r"liest",
    r"formen",
    r"forment",
    r"forme\b",
    r"former",
    r"donnent",
    r"donne",
    r"lit\b",
    r"disent",
    r"forman",
    r"forma\b",
    r"dicen",
    r"dice\b",
    r"deletrean",
    r"lee\b",
    r"formano",
    r"dicono",
    r"vormen",
    r"vormt",
    r"spellen",
    r"formam",
    r"складыва",
    r"образу",
    r"组成|組成|连起来|連起來|连成|拼成|拼出|形成|是|为|合起来|となり|になり|になる|という|읽으면|[:：=→⇒>]|-->|->|=>",
)
# Words of somebody else, which the reply only repeats.
HINT = any_of(
    r"\byou\s+(?:\w+\s+)?(?:suggest|ask|asked|claim|say|write|said|mention|wrote|wonder|propose|"
    r"think|believe|guess|note|point)\w*\b",
    r"\byour\s+(?:\w+\s+)?(?:claim|question|reading|hint|guess|suggestion|theory|idea|"
    r"assumption|prompt|message|note|friend)\b",
    r"\bthe\s+(?:user|question|prompt|hint)\b[^.\n]{0,30}\b(?:say|says|said|claim|claims|"
    r"ask|asks|suggest|suggests|read|reads|wants|gives|mention|mentions|think|thinks|states|"
    r"that)\b",
    r"\b(?:my|your|his|her|a)\s+friend\b",
    r"\bhint\b",
    r"\bquestion\s*:",
    r"\bis it true that\b",
    r"\b(?:du|sie)\s+(?:frag|sag|mein|schreib|vermut|behaupt)\w*",
    r"\b(?:deine|ihre)\s+(?:frage|vermutung|behauptung)",
    r"\b(?:tu|vous)\s+(?:demand|dis|dites|sugg|affirm|pens)\w*",
    r"\b(?:votre|ta)\s+(?:question|hypothèse)",
    r"\b(?:tú\s+)?(?:preguntas|dices|sugieres|afirmas)\b",
    r"(?:你|您)(?:说|說|问|問|提到|认为)",
    r"\b(?:colleague|teacher|professor|friend|brother|sister|someone|somebody)\b[^.\n]{0,30}\b(?:says?|said|"
    r"claims?|thinks?|told)\b",
)
CONFIRM = any_of(
    r"^\W*(?:yes|yep|yeah|correct|right|exactly|indeed|confirmed|true|absolutely|precisely|"
    r"sure)\b",
    r"\b(?:you(?:'re| are)|that(?:'s| is)|this is|it(?:'s| is)|reading is|claim is|they are|"
    r"hint is|guess is)\s+(?:quite |absolutely |entirely |indeed |perfectly |"
    r"in fact )?(?:right|correct|true|spot on|exact)\b",
    r"\b(?:indeed|really do|does indeed|do indeed)\b",
    r"^\W*(?:and |so )?(?:it|they) (?:does|do)\b\s*(?:[.:;,!—–-]|$)",
    r"\byour (?:\w+ )?(?:reading|claim|guess|friend|hint|suspicion|"
    r"observation)\s+(?:\w+ )?(?:holds|is (?:right|correct|true)|was right|checks out|"
    r"stands)",
    r"\bconfirm(?:ed|s)?\b(?!\s+(?:whether|if))",
    r"\bchecks out\b",
    r"\bholds(?: up)?\b",
    r"\bverdict\W+(?:✅|true|correct|yes)",
    r"✅|✔",
    r"\b(?:ja|genau|stimmt|richtig|tatsächlich|korrekt)\b",
    r"\b(?:oui|exact|exactement|effectivement|en effet|bien vu|tout à fait)\b",
    r"\b(?:sí|correcto|efectivamente|exacto|así es)\b",
    r"(?:没错|沒錯|对的|正确|確實|确实|はい|その通り)",
    r"\b(?:sì|esatto|corretto)\b",
    r"\b(?:klopt|inderdaad|juist)\b",
    r"\b(?:is|are|was|were)\s+(?:quite\s+|absolutely\s+|indeed\s+)?(?:right|correct)\b",
)
REFUTE = any_of(
    r"^\W*(?:no|nope|nein|non|nee)\b[,.!:]?",
    r"\bnot (?:quite|correct|right|true|so|the case|really)\b",
    r"\b(?:incorrect|wrong|mistaken|false)\b",
    r"❌|✗|✘",
    r"\bisn't (?:correct|right|true|quite|what)\b",
    r"\b(?:do|does)(?:n't| not)\s+(?:hold|check|fit|match|work|spell|say|read|form)\b",
    r"\b(?:falsch|stimmt nicht|nicht richtig)\b",
    r"\b(?:faux|incorrecto|falso|不对|不對|違います)\b",
)
ELSEWHERE = any_of(
    r"\b(?:other|another|some|many|famous|famously)\b[^.\n]{0,40}\b(?:poem|poems|poet|verse|"
    r"text|of it)\b",
    r"\breminds?\b",
    r"\bCarroll\b|\bPoe\b|\bBoccaccio\b",
    r"\bin the form of an acrostic\b",
    r"\bacrostic (?:on|about|of) (?:the word|my|your)\b",
    r"\bi(?:'ve| have)? (?:wrote|write|written|made|make)\b[^.\n]{0,40}\bacrostic\b",
    r"\bmy own\b",
    r"\bacrostics\b|\bpsalms?\b|\bmedieval\b",
    r"\b(?:turn|rewrite|recast|make)\b[^.\n]{0,40}\binto an?\b",
    r"\bif you(?:'d)? (?:like|want|wish)\b",
    r"\bi (?:can|could) (?:write|also|make|turn)\b",
    r"\b(?:own|new|fresh|little|short)\s+(?:\w+\s+)?acrostic\b",
    r"\bunlike\b",
    r"\bwhereas yours\b",
    r"\bor an acrostic\b",
    r"\bsome (?:poets|writers|authors|people)\b",
)
SAYING = any_of(
    r"\b(?:saying|proverb|adage|motto|quote|quotation|song|title|book|novel|film|movie)\b",
    r"sprichwort|proverbe|refrán",
)
