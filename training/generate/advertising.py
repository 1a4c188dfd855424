"""Advertising as it is posted under blog articles, and honest comments that mention the same things.

The collected spam is mostly from video sites and text messages; what open blog forms receive is missing from it.
Written for this project; the domains and telephone numbers are of the reserved kinds.
"""

import random
import re

from training.generate.cases import fill as fill_words

_SLOT = re.compile(r"<(\w+)>")
_LISTS = {
    "site": (
        "best-deals.example.com", "cheap-pills.example.net", "win-big.example.org", "my-seo.example.com",
        "fastcash.example.net", "hotgirls.example.org", "replica.example.com",
    ),
    "goods": (
        "viagra", "cialis", "replica watches", "designer handbags", "sneakers", "weight loss tea", "backlinks",
        "instagram followers", "fake diplomas", "CBD oil", "hair growth serum", "phone unlock codes", "essays",
    ),
    "scheme": (
        "crypto trading", "forex signals", "binary options", "bitcoin mining", "dropshipping", "an online casino",
        "sports betting tips", "a work-from-home job", "a recovery expert who got my funds back",
    ),
    "sum": (
        "$500", "$3,200", "5000 dollars", "€900", "£1,250", "10k",
    ),
    "span": (
        "a day", "a week", "per month", "in just two weeks", "every weekend",
    ),
    "person": (
        "Mrs Helen Brooks", "Dr Obaseki", "Mr Carter", "Coach Lina", "expert Markus",
    ),
    "number": (
        "+1 (555) 010-4477", "+44 7700 900123", "+1 555 0199", "0700 555 0142",
    ),
    "praise": (
        "Wow", "Great post", "Nice article", "Amazing blog", "Very useful content", "I really like your writing style",
        "Excellent information here",
    ),
}  # fmt: skip
_SPAM = (
    "Buy <goods> online without prescription at http://<site>/shop",
    "Cheap <goods> for sale, visit www.<site> now!",
    "<praise>! Check out my website http://<site> for more.",
    "I earn <sum> <span> with <scheme>. Click here: http://<site>/start",
    "I lost everything until <person> introduced me to <scheme>. Contact on WhatsApp <number>",
    "Make <sum> <span> from home, no experience needed. Details at <site>",
    "Best <goods> 80% OFF today only!!! http://<site>",
    "<praise>. I have bookmarked your web site. Feel free to visit my page :: <goods>",
    "Hello, do you need an urgent loan of <sum>? Email loans@<site> today",
    "Get 1000 real followers for free: http://<site>/free",
    "Looking for <goods>? We ship worldwide, Telegram @goodshop <number>",
    "<person> helped me to win back my ex with a spell. WhatsApp <number>",
    "Hot singles in your area are waiting, join free http://<site>",
    "Our SEO team puts your blog on page one of Google, write to rank@<site>",
    "Play <scheme> and get a <sum> welcome bonus: <site>/bonus",
    "<praise>, thanks for sharing. [url=http://<site>]<goods>[/url]",
    '<a href="http://<site>">buy <goods></a> <a href="http://<site>/2">order <goods></a>',
    "I am a professional hacker, I can spy on any phone. Contact <number>",
    "Subscribe to my channel and I subscribe back",
    "Congratulations, you have won <sum>! Claim your prize at http://<site>/claim",
    "My cousin makes <sum> <span> on the laptop. Go to this site <site>",
)
_HONEST = (
    "The figures are on page four of https://www.example.gov/report.pdf, as {topic} says.",
    "I paid <sum> for the same repair last year.",
    "Is the link in the second paragraph broken for anyone else?",
    "You can reach the town hall at <number>, they answered me at once.",
    "My pharmacist says <goods> need a prescription here, for good reason.",
    "I lost money with <scheme> and would warn anybody.",
    "Great article, thank you.",
    "Nice post! My one doubt is {policy}.",
    "I subscribed to the paper because of reporting like this.",
    "Rent here is <sum> <span>, who can pay that?",
    "Does {topic} mention the <sum> that {leader} promised?",
    "See also https://en.example.org/wiki/History for the background.",
    "Check out the photo, that is {place}!",
    "Casinos should pay more tax, in my view.",
    "My website is down since the storm, the provider does not answer.",
    "Please email the editor if you spot an error.",
    "Free entry for children at {place} on Sunday.",
    "They sell <goods> outside {place} and nobody minds.",
    "WOW what a match!!!",
    "Who won the lottery in {place}? <sum> is a lot.",
    "The bank never calls to ask for your PIN; this was a scam.",
    "Bitcoin fell again, says {topic}.",
)


def _fill(template: str, rng: random.Random) -> str:
    while (slot := _SLOT.search(template)) is not None and slot.group(1) in _LISTS:
        template = template[: slot.start()] + rng.choice(_LISTS[slot.group(1)]) + template[slot.end() :]
    return fill_words(template, rng)


def advertising(seed: int, fills: int = 14) -> list[tuple[str, bool]]:
    """Distinct texts and whether they are spam, in template order."""
    rng = random.Random(seed)
    drawn: dict[str, bool] = {}
    for spam, templates in ((True, _SPAM), (False, _HONEST)):
        for template in templates:
            for _ in range(fills):
                text = _fill(template, rng)
                drawn[text.lower() if rng.random() < 0.25 else text] = spam
    return list(drawn.items())
