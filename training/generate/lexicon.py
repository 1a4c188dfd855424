"""Word lists that the templates of `cases` draw from; one slot name each, written for this project."""

from collections.abc import Mapping

WORDS: Mapping[str, tuple[str, ...]] = {
    "groups": (
        "Muslims", "Jews", "Christians", "Catholics", "Hindus", "Sikhs", "atheists", "Black people", "white people", "Asians",
        "Mexicans", "Arabs", "Africans", "Chinese people", "Indians", "Poles", "Romanians", "Turks", "Roma", "immigrants",
        "refugees", "asylum seekers", "gay people", "lesbians", "trans people", "trans women", "bisexual people", "women",
        "men", "disabled people", "deaf people", "blind people", "autistic people", "old people", "homeless people",
        "foreigners", "Nigerians", "Syrians", "Ukrainians", "Russians", "Americans", "Europeans", "Latinos",
        "Native Americans", "Koreans",
    ),
    "a_member": (
        "a Muslim", "a Jew", "a Christian", "a Catholic", "a Hindu", "a Sikh", "an atheist", "a Black man", "a Black woman",
        "a white man", "an Asian woman", "a Mexican", "an Arab", "an African", "an Indian", "a Pole", "a Turk", "an immigrant",
        "a refugee", "a gay man", "a lesbian", "a trans woman", "a trans man", "bisexual", "a woman", "a wheelchair user",
        "deaf", "blind", "autistic", "a foreigner", "a Nigerian", "a Syrian", "queer", "gay", "Jewish", "Muslim",
        "transgender", "Black", "Latina", "Buddhist", "Protestant", "straight", "elderly", "homosexual", "nonbinary",
        "Japanese", "Chinese", "Canadian",
    ),
    "identity": (
        "Muslim", "Jewish", "Christian", "Catholic", "Hindu", "Sikh", "Black", "white", "Asian", "Mexican", "Arab", "African",
        "Chinese", "Indian", "Polish", "Turkish", "Roma", "immigrant", "refugee", "gay", "lesbian", "trans", "bisexual",
        "queer", "disabled", "deaf", "blind", "autistic", "elderly", "foreign", "Nigerian", "Syrian", "Latino",
        "Native American", "Buddhist", "Protestant", "straight", "homosexual", "transgender", "Korean", "female", "male",
        "African American",
    ),
    "profession": (
        "teacher", "nurse", "bus driver", "baker", "judge", "student", "carpenter", "engineer", "doctor", "librarian",
        "farmer", "shopkeeper", "firefighter", "painter", "accountant", "councillor", "goalkeeper", "poet", "plumber",
        "neighbour",
    ),
    "place": (
        "our town", "the library", "the market hall", "the harbour", "this street", "the school", "the old mill",
        "the station", "my village", "the city centre", "the stadium", "the town hall", "our valley", "the hospital",
        "the bridge",
    ),
    "leader": (
        "the minister", "the mayor", "the president", "the chancellor", "the council", "the governor", "the prime minister",
        "this government", "the opposition", "the party leadership", "the board", "the senator", "the transport authority",
    ),
    "policy": (
        "the new parking rules", "the tax reform", "the pension bill", "the budget", "the bike lanes", "the school closures",
        "the rent cap", "the border deal", "the energy price plan", "the hospital merger", "the zoning change",
        "the tram line",
    ),
    "topic": (
        "the article", "the report", "this interview", "the referendum", "the match", "the court ruling", "the strike",
        "the election", "the climate summit", "the documentary", "the census", "the trade talks", "the storm", "the play",
    ),
    "time": (
        "for years", "since last spring", "yet again", "for the third time", "all winter", "from day one", "every single week",
    ),
    "insult": (
        "idiot", "moron", "clown", "imbecile", "loser", "scumbag", "coward", "parasite", "halfwit", "dumbass", "asshole",
        "bastard", "pig", "rat", "creep", "cretin", "dimwit", "jerk", "douchebag", "piece of shit", "dickhead", "prick",
        "bitch", "sleazebag", "waste of oxygen", "pathetic liar", "brainless troll", "fool", "twit", "tool", "lowlife",
        "wanker", "nutcase", "crybaby",
    ),
    "insulting": (
        "stupid", "pathetic", "disgusting", "brainless", "worthless", "ugly", "dumb", "vile", "moronic", "repulsive",
        "idiotic", "spineless", "filthy", "clueless", "braindead", "thick", "sick", "dense", "gutless", "retarded", "hideous",
        "useless",
    ),
    "kind": (
        "patient", "generous", "funny", "gentle", "brilliant", "curious", "hard-working", "brave", "thoughtful", "cheerful",
        "stubborn in the best way", "reliable", "warm-hearted", "talented", "honest", "modest", "well-read",
    ),
    "swearing": (
        "fucking", "bloody", "damn", "goddamn", "freaking", "fuckin", "effing",
    ),
    "expletive": (
        "fuck", "shit", "damn", "holy shit", "bloody hell", "oh fuck", "crap", "for fuck's sake", "holy crap", "wtf",
    ),
    "praised": (
        "goal", "concert", "sunset", "burger", "game", "series", "bike ride", "solo", "trailer", "album", "recipe", "win",
    ),
    "nuisance": (
        "rain", "printer", "train", "traffic", "update", "heat", "queue", "alarm clock", "wifi", "cold", "microwave",
    ),
    "vermin": (
        "rats", "cockroaches", "vermin", "parasites", "animals", "leeches", "a disease", "a plague", "cancer", "locusts",
        "filth", "savages", "subhumans", "maggots", "a virus",
    ),
    "expel": (
        "should be deported, every last one", "don't belong here", "should go back where they came from", "must be kept out",
        "should never have been let in", "have to be driven out", "should be rounded up", "ought to be locked away",
        "should lose the vote", "should not be allowed near children", "need to disappear from this country",
    ),
    "smear": (
        "are all criminals", "are born liars", "only want our money", "can't be trusted", "are too stupid to learn",
        "are all rapists", "ruin every neighbourhood they touch", "are mentally ill", "are inferior to us",
        "have no place among decent people", "stink", "are breeding like rabbits", "control the banks and the media",
        "are lazy and live off our taxes", "are an insult to nature", "will never be real citizens", "are disgusting",
        "deserve everything they get",
    ),
    "dogwhistle": (
        "Funny how the burglaries started the week {groups} moved in.",
        "Before {groups} came, you could leave your door open.",
        "Count how many {groups} run the newspapers, then ask yourself why.", "We all know what {groups} are really after.",
        "I don't hire {groups}; I like my till to add up.", "One day this country will be clean again, without {groups}.",
        "Our grandchildren will be strangers at home because {groups} keep breeding.",
        "A school full of {groups} is no school any more.", "There's a reason nobody wants {groups} as neighbours.",
        "Let {groups} have the moon, as long as they leave.", "Evolution must have skipped {groups}.",
        "Good thing {groups} drown so easily on the way here.",
        "A real man or a real woman is born that way, the rest is a freak show.",
        "{groups} and honest work, now that is a joke.", "History already had an answer for {groups}.",
        "Nature made a mistake with {groups}.", "Next they'll let {groups} marry their dogs.",
        "The only good thing about {groups} is the airport they leave from.", "{groups}? Wash your hands afterwards.",
    ),
    "harm": (
        "kill", "shoot", "stab", "strangle", "beat up", "burn", "hang", "bury", "cut", "smash", "hurt", "run over",
        "slaughter",
    ),
    "harm_you": (
        "I will kill you", "I'll break your legs", "I'll smash your face in", "I'm going to find you and hurt you",
        "you're dead", "you will bleed", "I'll burn your house down", "I'll put a bullet in you", "I'll slit your throat",
        "you won't wake up again", "I'll come to your house with a bat", "you'll be found in the river",
        "my fist will find your teeth", "I'll make you suffer",
    ),
    "veiled": (
        "you'd better watch your back", "something might happen to your kids", "I know where you park your car",
        "you will regret the day you were born", "accidents happen on dark roads",
        "I'd start checking under my car if I were you", "you won't be walking home so easily",
        "we will pay your family a visit", "don't be surprised when your windows break", "you'll need a good dentist",
        "I know which school your daughter goes to", "your house looks like it burns well",
    ),
    "trigger": (
        "If you write one more word about this", "If I ever see you in my street", "Come near my shop again and",
        "Keep talking and", "Vote for this and", "Touch my car once more and", "When I find out who you are",
        "If this goes to court", "If you show up on Saturday", "Publish that and", "The next time you open your mouth",
        "Delete this or",
    ),
    "bait": (
        "kill yourself", "go hang yourself", "drink bleach", "jump off a bridge", "do the world a favour and die", "kys",
        "just die already", "go play on the motorway", "swallow a bullet", "end it, nobody will miss you", "rot in hell",
        "get cancer and die",
    ),
    "weapon": (
        "missile", "drone", "rocket", "shell", "car bomb", "grenade", "mortar round", "cruise missile", "airstrike",
    ),
    "target": (
        "a power station", "an apartment block", "the port", "a supply depot", "the rail bridge", "a hospital", "an airfield",
    ),
    "number": (
        "two", "three", "seven", "eleven", "at least twenty", "more than forty", "dozens of", "nearly a hundred",
    ),
    "surname": (
        "Dickson", "Hancock", "Cockburn", "Titmuss", "Peacock", "Butts", "Slutskaya", "Gaylord", "Wang", "Fuchs", "Assange",
        "Lipschitz", "Cummings", "Hooker", "Weiner", "Bastardi", "Shitov", "Suckling", "Woodcock", "Glasscock",
    ),
    "town": (
        "Scunthorpe", "Penistone", "Clitheroe", "Essex", "Sussex", "Lightwater", "Cockermouth", "Titchfield", "Assen",
        "Arsenal", "Bitche in Lorraine", "Dildo in Newfoundland", "Condom in Gascony", "Intercourse, Pennsylvania", "Wankdorf",
    ),
    "slurs": (
        "faggots", "fags", "dykes", "trannies", "niggers", "spics", "chinks", "gooks", "kikes", "pakis", "ragheads",
        "towelheads", "wetbacks", "gyppos", "retards", "spastics", "cripples", "rednecks", "sand monkeys", "muzzies", "beaners",
        "camel jockeys", "crackers", "honkies", "whores", "sluts",
    ),
    "slur": (
        "faggot", "fag", "dyke", "tranny", "nigger", "spic", "chink", "gook", "kike", "paki", "raghead", "towelhead", "wetback",
        "gyppo", "retard", "spastic", "cripple", "muzzie", "beaner", "shemale", "half-breed", "slut", "whore", "slag", "skank",
    ),
    "object": (
        "the remote", "my laptop", "this sofa", "the new app", "cold coffee", "Monday mornings", "the washing machine",
        "plastic wrap", "this headline font", "the coffee machine", "the lift", "my old phone", "the crossword", "broccoli",
        "these shoes", "the loudspeaker announcements", "autoplay videos", "that cookie banner",
    ),
    "fans": (
        "fans of the away team", "landlords", "bankers", "artists", "politicians", "estate agents", "journalists", "vegans",
        "hunters", "cyclists", "drivers", "influencers", "consultants", "football players", "lawyers",
    ),
    "awful": (
        "awful", "terrible", "hateful", "disgraceful", "a nightmare", "the worst", "rubbish", "an insult to good taste", "broken",
        "dreadful", "a joke", "a mess",
    ),
    "relation": ("brother", "cousins", "sister", "mates", "friend", "neighbour"),
    "bodypart": ("skull", "neck", "legs", "jaw", "fingers", "back", "ribs", "arms", "nose", "kneecaps", "spine"),
    "tool": ("a hammer", "an axe", "a knife", "my boots", "a shotgun", "a crowbar", "petrol", "a rope", "a brick", "a rifle"),
    "victim": (
        "a reporter", "the mayor", "two teenagers", "his ex-wife", "a shop assistant", "a taxi driver", "the suspect",
        "an officer", "a nine-year-old girl", "three tourists", "the hostage", "a demonstrator",
    ),
    "crime": (
        "stabbed", "shot dead", "strangled", "raped", "beaten unconscious", "tortured", "kidnapped", "murdered", "set on fire",
        "run over", "poisoned", "shot in the head",
    ),
    "slogan": (
        "{groups} are {vermin}", "{groups} {expel}", "{groups} {smear}", "all {groups} {expel}", "send {groups} home",
        "no {groups} here", "{groups} out",
    ),
}  # fmt: skip
