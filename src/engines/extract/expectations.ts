/**
 * What the answer to a question will look like, judged by the words that ask. Only a hint: it
 * lifts a passage of the right shape, it never drops one of another.
 */

export interface Expectation {
  /** Matches text that has the expected shape. */
  readonly answer: RegExp;
  /** By how much such a passage is lifted: 0.2 is a fifth. */
  readonly lift: number;
}

interface Rule extends Expectation {
  readonly ask: RegExp;
}

const NUMBER_WORD =
  'one|two|three|four|five|six|seven|eight|nine|ten|twelve|dozen|hundred|thousand|million|zwei|drei|vier|fünf|sechs|sieben|acht|neun|zehn|elf|zwölf|deux|trois|quatre|cinq|sept|huit|neuf|dix|dos|tres|cuatro|cinco|seis|siete|ocho|nueve|diez';
const UNIT =
  'ms|us|s|sec|secs|seconds?|min|mins|minutes?|h|hrs?|hours?|days?|nights?|weeks?|months?|quarters?|years?|Sekunden?|Minuten?|Stunden?|Tagen?|Tage?|Wochen?|Monaten?|Monate?|Jahren?|Jahre?|secondes?|heures?|jours?|semaines?|mois|ans?|années?|segundos?|minutos?|horas?|días?|semanas?|mes(?:es)?|años?';
const MONTH =
  'Jan(?:uary|uar|vier)?|Feb(?:ruary|ruar)?|Mar(?:ch)?|März|Apr(?:il)?|May|Mai|June?|Juni|July?|Juli|Aug(?:ust)?|Sep(?:t|tember)?|Oct(?:ober)?|Okt(?:ober)?|Nov(?:ember)?|Dec(?:ember)?|Dez(?:ember)?|février|mars|avril|juin|juillet|août|septembre|octobre|novembre|décembre|enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|octubre|noviembre|diciembre';
const WEEKDAY =
  '(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)days?|weekdays?|weekends?|(?:Mon|Diens|Donners|Frei|Sams|Sonn)tags?|Mittwochs?|lundis?|mardis?|mercredis?|jeudis?|vendredis?|samedis?|dimanches?|lunes|martes|miércoles|jueves|viernes|sábados?|domingos?';

const any = (words: string) =>
  new RegExp(`(?<![\\p{L}\\p{N}])(?:${words})(?![\\p{L}\\p{N}])`, 'iu');

const A_NUMBER = new RegExp(`\\d|${any(NUMBER_WORD).source}`, 'iu');
const A_DURATION = new RegExp(
  `(?<![\\d.,])\\d[\\d.,]*[ -]?(?:${UNIT})(?![\\p{L}\\p{N}])|(?<!\\p{L})(?:a|an|half|${NUMBER_WORD}|eine?n?|une?|una?) (?:${UNIT})(?!\\p{L})|(?<!\\p{L})(?:until|bis|jusqu|hasta|forever|permanent)`,
  'iu',
);
const A_FREQUENCY = any(
  'every|each|per|once|twice|times|daily|nightly|hourly|weekly|biweekly|fortnightly|monthly|quarterly|yearly|annually|always|never|jede[nrms]?|alle|pro|je|täglich|wöchentlich|monatlich|jährlich|vierteljährlich|stündlich|einmal|zweimal|mal|chaque|tou(?:te)?s les|par|quotidien(?:ne)?(?:ment)?|hebdomadaires?|mensuel(?:le)?s?|fois|cada|diario|diariamente|semanal|mensual|veces',
);
const A_TIME = new RegExp(
  `\\d{4}-\\d{2}|\\d{1,2}[:.]\\d{2}|\\d{1,2} ?(?:am|pm|Uhr|h)(?!\\p{L})|\\d{1,2}\\. ?\\p{L}|(?<!\\d)(?:19|20)\\d\\d(?!\\d)|${any(`${MONTH}|${WEEKDAY}`).source}|${any('noon|midnight|morning|evening|while|once|after|before|until|as soon as|Mittag|Mitternacht|morgens|abends|sobald|nachdem|midi|minuit|matin|soir|lorsque|après|avant|mediodía|medianoche|después|antes').source}`,
  'iu',
);
const A_PERSON = new RegExp(
  `(?<=\\p{Ll},? )\\p{Lu}\\p{Ll}+|\\p{Lu}\\p{Ll}+ \\p{Lu}\\p{Ll}+|@\\p{L}|${any('owns?|owner|team|lead|manager|engineer|responsible|by|director|officer|leitet|leiterin?|team|zuständig|verantwortlich|responsable|équipe|directeur|directrice|equipo|encargad[oa]').source}`,
  'u',
);
const A_FULL_NAME =
  /(?<!\p{L})\p{Lu}\p{Ll}+ \p{Lu}\p{Ll}+|(?:Mrs?|Ms|Dr|Herr|Frau|Mme|M|Sr|Sra)\.? \p{Lu}\p{Ll}+/u;
const A_CONDITION = any('if|when|whenever|in case|once|unless|wenn|falls|sobald|si|lorsque|cuando');
const A_REASON = any(
  'because|since|so that|due to|owing to|thanks to|reason|reasons|therefore|thus|hence|cause[ds]?|causing|avoids?|prevents?|otherwise|in order to|as a result|led to|which means|would|could|weil|damit|denn|deshalb|daher|wegen|aufgrund|grund|sonst|parce que|parce qu|car|afin|pour éviter|à cause|grâce|donc|sinon|raison|porque|debido|para evitar|por eso|ya que|causa',
);
const A_PLACE = new RegExp(
  `/[\\w.-]|https?:|\`[^\`]+\`|${any('room|floor|building|street|office|directory|folder|path|file|region|raum|zimmer|stock|etage|gebäude|straße|ordner|verzeichnis|büro|salle|étage|bâtiment|rue|dossier|bureau|sala|piso|edificio|calle|carpeta|oficina').source}`,
  'iu',
);
const A_COMMAND =
  /`[^`]+`|^\s*[$>] |(?<!\w)--?[a-z]|\b(?:sudo|npm|git|curl|docker|kubectl|systemctl|psql|make)\b/mu;
const A_VERSION = /\bv?\d+\.\d+/u;
const AN_AMOUNT =
  /[$€£¥]\s?\d|(?<![\d.,])\d[\d.,]*\s?(?:[$€£¥%]|EUR|USD|GBP|CHF|euros?|dollars?|cents?)/iu;
const A_BAN = any(
  "not|never|no|don't|must not|cannot|avoid|forbidden|prohibited|unless|except|nicht|nie|niemals|kein[enmrs]*|verboten|untersagt|ne|pas|jamais|interdite?s?|aucune?|nunca|prohibid[oa]s?|ningun[oa]?",
);

const A_DEFINITION = /^[^\p{L}\p{N}]*[^:.\n|]{2,50}(?::\s| is | are | means )/u;
const RULES: readonly Rule[] = [
  {
    ask: /^\s*(?:what (?:is|are)|what does .* mean|define|was (?:ist|sind)|qu['’]est-ce|qué (?:es|son)) (?:(?:an?|the|eine?|une?) )?[\p{L}\p{N}_-]+(?: [\p{L}\p{N}_-]+)?\s*\??\s*$/iu,
    answer: A_DEFINITION,
    lift: 0.2,
  },
  {
    ask: any(
      'how many|how much|what number|number of|wie ?viele?|combien|cu[aá]nt[oa]s?|anzahl|nombre de',
    ),
    answer: A_NUMBER,
    lift: 0.25,
  },
  {
    ask: any(
      'how much|cost|costs|price|budget|fee|kostet|kosten|preis|gebühr|coûte|coût|prix|tarif|budget|cuesta|precio',
    ),
    answer: AN_AMOUNT,
    lift: 0.2,
  },
  {
    ask: any(
      'how long|how soon|how fast|how quickly|how old|duration|wie lange?|combien de temps|pendant combien|cu[aá]nto tiempo|dauer|durée',
    ),
    answer: A_DURATION,
    lift: 0.3,
  },
  {
    ask: any(
      'how often|how frequently|how regularly|wie oft|wie häufig|à quelle fréquence|combien de fois|tous les combien|con qu[eé] frecuencia',
    ),
    answer: A_FREQUENCY,
    lift: 0.35,
  },
  { ask: /(?:^|[,;.?!]|\band)\s*when\b/iu, answer: A_TIME, lift: 0.3 },
  {
    ask: any(
      'what happens|what if|what should i do|what do i do|what to do|was passiert|was tun|que faire|que se passe|qué pasa',
    ),
    answer: A_CONDITION,
    lift: 0.15,
  },
  {
    ask: any(
      'since when|by when|until when|what time|what date|which date|what day|which day|what year|which year|which month|deadline|wann|bis wann|uhrzeit|an welchem tag|quand|à quelle heure|quelle date|quel jour|cu[aá]ndo|qu[eé] d[ií]a|a qu[eé] hora',
    ),
    answer: A_TIME,
    lift: 0.3,
  },
  {
    ask: any(
      'who|whom|whose|which person|which team|wer|wem|wen|wessen|qui est-ce|qui|qui[eé]n(?:es)?',
    ),
    answer: A_PERSON,
    lift: 0.2,
  },
  {
    ask: any(
      'who|whom|whose|which person|which team|wer|wem|wen|wessen|qui est-ce|qui|qui[eé]n(?:es)?',
    ),
    answer: A_FULL_NAME,
    lift: 0.15,
  },
  {
    ask: any(
      'why|what for|reason|purpose|warum|weshalb|wieso|wozu|grund|pourquoi|raison|por qu[eé]|para qu[eé]',
    ),
    answer: A_REASON,
    lift: 0.3,
  },
  {
    ask: any(
      'where|which directory|which folder|which path|which room|what path|wo|wohin|woher|où|d[oó]nde|ad[oó]nde',
    ),
    answer: A_PLACE,
    lift: 0.2,
  },
  {
    ask: any(
      'command|how do i|how do you|how can i|how to|run|wie kann ich|befehl|commande|comment|comando',
    ),
    answer: A_COMMAND,
    lift: 0.15,
  },
  { ask: any('version|release'), answer: A_VERSION, lift: 0.15 },
  {
    ask: any(
      "not|never|forbidden|prohibited|mustn't|can't|cannot|shouldn't|avoid|nicht|nie|verboten|kein[enmrs]*|untersagt|interdite?s?|jamais|pas|prohibid[oa]s?|nunca",
    ),
    answer: A_BAN,
    lift: 0.2,
  },
];

/** How much of a question is looked at for the words that ask, at each end. */
const REACH = 512;

export function expectations(question: string): readonly Expectation[] {
  const asked =
    question.length <= 2 * REACH
      ? question
      : `${question.slice(0, REACH)} ${question.slice(-REACH)}`;
  return RULES.filter((rule) => rule.ask.test(asked));
}
