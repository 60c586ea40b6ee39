"""The words by which people deny an acrostic, give up on one, or leave it open."""

from __future__ import annotations

from mlxbench.acrostic.cues import any_of

# That there is no acrostic here.
DENIAL = any_of(
    r"\b(?:no|not|isn't|isnt|never|without)\s+(?:an?\s+|any\s+|really\s+|actually\s+|"
    r"in fact\s+|a real\s+)*(?:hidden\s+|obvious\s+|apparent\s+|intentional\s+|"
    r"deliberate\s+|coherent\s+|meaningful\s+|such\s+|secret\s+)*(?:acrostics?|(?:hidden|"
    r"secret)\s+(?:message|phrase|meaning|word|code|text)s?)",
    r"\b(?:no|nothing|not)\b[^.;\n]{0,30}\b(?:hidden|spelled|concealed)\b(?!\s+in plain)",
    r"\b(?:do|does|did)(?:n't| not)\s+(?:seem\s+to\s+|appear\s+to\s+|really\s+|"
    r"actually\s+)*(?:spell|form|say|read|make|give|hide|contain|carry|reveal|yield|produce)\b(?:\s+out|"
    r"\s+up)?\s+(?:any|an?y?thing|a\s|an\s|some)",
    r"\b(?:carry|carries|contain|contains|hide|hides|hold|holds|bear|have|"
    r"has)\s+no\s+(?:\w+\s+)?(?:message|meaning|phrase|secret|acrostic|word)",
    r"\b(?:falls? apart|disregard|take (?:that|it|this) back|retract)\b",
    r"\bspell(?:s|ed)?\s+(?:out\s+)?(?:nothing|no\b|gibberish|nonsense)",
    r"\b(?:letters?|initials?)\b[^.\n]{0,60}\b(?:nothing|gibberish|random|meaningless|"
    r"nonsense)\b",
    r"\bnor\s+(?:do|does)\b[^.\n]{0,40}\b(?:spell|form|say|read)\b",
    r"\b(?:do|does|did)(?:n't| not)\s+(?:spell|form|say|read|make|"
    r"give)\b[^.;\n]{0,80}\b(?:or|nor)\s+anything\b",
    r"\b(?:it|they|letters?|initials?)\s+(?:do|does)(?:n't| not)\b\s*(?:[.:;,!]|$)",
    r"\b(?:acrostic|message)\b[^.\n]{0,40}\b(?:isn't|is not|not|doesn't exist)\s+(?:there|"
    r"present|one|intended)\b",
    r"\b(?:dismiss|reject|drop|discard|rule)(?:ed|s)?\b[^.\n]{0,20}\b(?:it|that|out|"
    r"acrostic|idea|this)\b",
    r"\bresult is negative\b",
    r"\bmaking that up\b",
    r"\bforget\s+(?:it|that|about|the letters|the initials|the acrostic)\b|\bmeans nothing\b",
    r"akrosti\w*\b[^.\n]{0,30}\bnicht\b",
    r"\bcoincidence, nothing\b",
    r"\bkein(?:e[nrs]?)?\b[^.\n]{0,30}(?:akrosti|botschaft|nachricht|geheim|versteckt)",
    r"\bergeben\b[^.\n]{0,20}\b(?:nichts|kein)",
    r"nicht[s]?\s+(?:verborgen|versteckt)",
    r"n'est pas (?:le cas|un acrosti)",
    r"ne s'agit pas d'un acrosti",
    r"(?:aucun|pas d[e'])\s*(?:message|acrosti)",
    r"ne forment (?:rien|aucun)",
    r"\bno\s+(?:es|hay|forman|se trata de|contiene)\b[^.\n]{0,30}(?:acr[oó]stic|mensaje|"
    r"nada|oculto)",
    r"\bnon\s+(?:è|c'è|si tratta di|formano)\b[^.\n]{0,30}(?:acrosti|messaggio|nulla|niente)",
    r"\bgeen\b[^.\n]{0,20}(?:acrosti|boodschap)",
    r"(?:不是|没有|沒有|并非|並非|无|無)[^。\n]{0,12}(?:藏头|藏頭|隐藏|隱藏|acrostic|含义)",
    r"(?:ではありません|ではない|ありません|ない)(?=[。\n]|$)",
    r"\b(?:theory|suspicion|idea|hunch|guess|hypothesis)\b[^.\n]{0,20}\b(?:unfounded|baseless|wrong|"
    r"mistaken|false)\b",
    r"\b(?:don't|do not|doesn't|hardly|doubt)\b[^.\n]{0,25}\bacrostic\b",
    r"\blo descart|no forman? ning",
    r"(?:没有|沒有)(?:组成|組成|构成|構成|形成)",
    r"\bniet het geval\b|\bvorm(?:t|en) geen\b",
    r"\bnicht der Fall\b|\bergeben kein|\bbilden kein",
)

# That one sees an acrostic and cannot read it.
UNABLE = any_of(
    r"\b(?:unable|not able|haven't been able|wasn't able|couldn't|could not|cannot|can't|"
    r"can not|failed|fail|don't know how|struggl\w+|hard for me|"
    r"beyond me)\b[^.\n]{0,40}\b(?:decode|decipher|solve|make (?:it |them |this |"
    r"any sense )?out|make sense|work (?:it |this |that )?out|figure (?:it |this |"
    r"that )?out|read (?:it|them|the)|tell(?! which)|find out|say what|determine|crack|"
    r"see what|identify|piece)\b",
    r"\b(?:don't|do not|doesn't|not)\s+know\s+what\s+(?:it|they|the)\b",
    r"\bnot sure what (?:it|they|the letters|the initials)\b",
    r"\bstuck on (?:this|it)\b",
    r"\bwhat (?:it|they) spells?,? (?:i|we) (?:can't|cannot|don't)\b",
    r"nicht\s+(?:entziffern|entschlüsseln|lösen|herausfinden|lesen)",
    r"pas\s+(?:réussi|pu|parvenu)[^.\n]{0,30}(?:déchiffrer|décoder|résoudre|trouver)",
    r"no\s+(?:pude|puedo|logro|he podido)[^.\n]{0,30}(?:descifrar|resolver|leer)",
    r"(?:无法|無法|没能|沒能|不能)[^。\n]{0,10}(?:解读|解讀|破解|读出|看出|解出)",
    r"(?:解読|読み取|分かり|わかり)[^。\n]{0,4}(?:できません|ません|れません)",
    r"non\s+(?:riesco|sono riuscit)[^.\n]{0,30}(?:decifrar|risolver|legger)",
)

# Of a candidate: it was considered, expected, or first believed, and is not what the reply says.
COUNTERFACTUAL = any_of(
    r"\b(?:one|you|i)\s+(?:could|might|may)\s+(?:suspect|suppose|imagine|expect)\b",
    r"könnte[^.\n]{0,12}(?:vermuten|meinen|denken)|pourrait[^.\n]{0,12}(?:croire|penser)",
    r"\b(?:might|would|may|could|'d|had|have)\s+(?:have\s+|probably\s+|well\s+|"
    r"perhaps\s+)*(?:hope|hoped|expect|expected|guess|guessed|assume|assumed|think|thought|"
    r"looked)\b",
    r"\bi(?:'d| had)? (?:first )?expect(?:ed)?\b",
    r"\btempt(?:ed|ing)\b",
    r"\bat first (?:glance|sight)\b",
    r"\blooked like\b",
)

CONSIDERING = any_of(
    r"\b(?:check|checked|see|look|looked|looking|test|tested|wonder|wondered|asked myself|"
    r"consider|considered|ask|try|tried|verify)\b[^.\n]{0,30}\b(?:whether|if|for)\b",
    r"\b(?:could|might|may|maybe|perhaps|is|"
    r"would)\b[^.\n]{0,30}\b(?:be )?(?:an? )?(?:acrostic|hidden)\b[^.\n]{0,60}\?",
    r"\?\s*$",
    r"^\W*(?:read|list|write|take|let me|let's|please|find|check|try|identify|extract)\b",
    r"\bif (?:it|this|there)\b",
    r"\bob\b[^.\n]{0,40}(?:buchstab|akrosti)",
    r"\bsi\b[^.\n]{0,30}(?:lettres|acrosti|letras)",
    r"\bwhat do they spell\b",
    r"是否|かどうか",
    r"\bof (?:het|dit)\b[^.\n]{0,20}\bacrost",
)

UNDECIDED = any_of(
    r"\beither\b",
    r"\bor\b",
    r"\boder\b",
    r"\bou\b",
    r"\boppure\b",
    r"\bof\b(?=[^.\n]{0,6}\ue000)",
    r"\bo bien\b",
    r"\bo\b(?=[^.\n]{0,6}\ue000)",
    r"\btwo (?:readings|candidates|possib\w+|options)\b",
    r"或者?|还是|または",
)

OPEN_END = any_of(
    r"\b(?:can't|cannot|can not|couldn't|unable to|hard to|not)\s+(?:really\s+|"
    r"honestly\s+)?(?:choose|decide|tell which|say which|settle)\b",
    r"\bundecided\b",
    r"\bleave (?:it|that|this) open\b",
    r"\beither (?:could|is possible|one)\b",
    r"\bboth (?:readings|are possible|fit|work|versions)\b",
    r"\bcould be either\b",
    r"unentschieden",
    r"kann (?:es )?nicht (?:entscheiden|sagen)",
)
