/** Languages whose endings and small words are known; text in any other is taken as English. */
export type Language = 'en' | 'de' | 'fr' | 'es';

const words = (list: string): ReadonlySet<string> => new Set(list.split(/\s+/).filter(Boolean));

/** Words too common to find anything by, folded: lower case and without accents. */
export const STOP_WORDS: Readonly<Record<Language, ReadonlySet<string>>> = {
  en: words(`
    a about after all also am an and any are as at be because been being both but by can could did
    do does doing done don each either else ever every for from get gets got had has have having he
    her here hers him his how i if in into is isn it its just let like ll may me might mine more
    most much must my no nor not now of off on one only or other our ours out over per re s same
    shall she should so some such t than that the their theirs them then there these they this those
    to too up upon us ve very was we were what when where whether which while who whom whose why
    will with would yet you your yours`),
  de: words(`
    aber alle allem allen aller alles als also am an ander andere anderen auch auf aus bei bin bis
    bist da damit dann das dass dasselbe dazu dein dem den denn der des dessen die dies diese diesem
    diesen dieser dieses doch dort du durch ein eine einem einen einer eines er es etwas euch fur
    gibt hab habe haben hat hatte hatten hier ich ihm ihn ihnen ihr ihre ihrem ihren ihrer im in ins
    ist ja jede jedem jeden jeder jedes kann kannst konnen konnte man mehr mein mich mir mit muss
    mussen nach nicht nichts noch nun nur ob oder ohne sehr sein seine seinem seinen seiner seit sich
    sie sind so soll sollen sollte sondern sonst uber um und uns unser unter viel vom von vor wann
    war waren warum was weil welche welchem welchen welcher welches wem wen wenn wer werden weshalb
    wie wieder wieso wieviel will wir wird wo woher wohin wurde wurden zu zum zur zwischen`),
  fr: words(`
    a ai ainsi alors apres au aucun aussi autre aux avait avant avec avoir c ce cela celle celui ces
    cet cette chaque ci comme comment d dans de des dont du elle elles en est et etaient etait ete
    etre eu fait faut il ils j je l la laquelle le lequel les lesquels leur leurs lui m ma mais me
    meme mes moi mon n ne ni nos notre nous on ont ou par pas peu peut plus pour pourquoi qu quand
    que quel quelle quelles quels qui quoi s sa sans se sera ses si son sont sous sur t ta te tes
    toi ton tous tout toute toutes tres tu un une vos votre vous y`),
  es: words(`
    a al algo ante antes como con contra cual cuales cuando de del desde donde dos e el ella ellas
    ellos en entre era eran es esa ese eso esta estaba estan estar este esto estos fue fueron ha han
    hasta hay la las le les lo los mas me mi mientras muy ni no nos o otra otro para pero por porque
    que quien quienes se sea ser si sin sobre son su sus tambien tan te tiene tienen todo todos tu un
    una uno unos y ya yo`),
};

const LANGUAGES: readonly Language[] = ['en', 'de', 'fr', 'es'];

/** The language most small words of a sample belong to; English when none stands out. */
export function detectLanguage(sample: readonly string[]): Language {
  let best: Language = 'en';
  let bestCount = 0;
  for (const language of LANGUAGES) {
    const stop = STOP_WORDS[language];
    let count = 0;
    for (const word of sample) if (stop.has(word)) count++;
    if (count > bestCount) {
      best = language;
      bestCount = count;
    }
  }
  return best;
}
