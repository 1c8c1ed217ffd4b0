/**
 * Everyday words that stand for each other in any field. Deliberately short and general: words of
 * one trade belong in nobody's answer but its own.
 */
import type { Language } from './language.js';
import { hashTerm } from './postings.js';
import { stem } from './stem.js';

const GROUPS: Partial<Record<Language, string>> = {
  en: `
    own owner belong responsible maintain charge lead head
    begin start launch open commence
    end finish stop terminate close conclude
    delete remove erase drop purge clear
    create add make new introduce generate
    change modify update edit alter adjust
    fix repair resolve correct solve
    big large largest maximum max most highest upper limit cap
    small smallest minimum min least lowest
    error fail failure fault broken problem issue
    cause reason because due lead
    forbid forbidden prohibit disallow never not must avoid
    allow permit may can able
    need require must mandatory necessary
    keep retain store save hold retention
    send deliver post submit transmit
    get fetch receive obtain retrieve
    show display list print
    pay cost price fee charge
    buy purchase order
    fast quick speed rapid
    slow delay late wait
    often frequency every interval each
    duration time period long last
    person people staff human member
    team group crew
    boss manager lead head supervisor
    contact call reach phone email notify page
    place location site where
    check verify test validate inspect confirm
    choose select pick decide decision
    default standard initial preset
    option setting parameter flag configuration
    directory folder
    job task work duty shift
    use employ apply
    replace substitute swap supersede instead
    increase raise grow rise
    decrease reduce lower shrink
    retry repeat again attempt
    copy backup duplicate
    restore recover recovery
    password secret credential key token
    permission access right role
    version release
    deprecated obsolete removed
    kill terminate stop
    turn switch enable disable
    happen occur
    return respond reply answer response
    ask request query question
    save write
    build compile
    approve approval sign agree
    meet meeting gather
    day date
    next upcoming following
    old former previous earlier
    total sum altogether
    annual yearly year
    guest visitor
    help support assist
    protect guard secure
    expire expiry valid validity
    write author written`,
  de: `
    verantwortlich zustandig verantwortung zustandigkeit
    beginnen anfangen starten beginn anfang start
    enden aufhoren beenden ende schluss
    loschen entfernen
    erlaubt gestattet durfen zulassig
    verboten untersagt nie niemals
    grosste maximal hochstens maximum
    kleinste minimal mindestens minimum
    fehler storung problem ausfall
    kosten preis gebuhr kostet
    aufbewahren speichern behalten aufbewahrt
    grund ursache
    haufig oft taglich wochentlich monatlich
    bezahlen zahlen
    anrufen telefon erreichen telefonnummer
    arbeiten tatig
    schnell rasch
    benotigen brauchen erforderlich`,
  fr: `
    responsable charge
    commencer debuter demarrer debut
    finir terminer arreter fin
    supprimer effacer enlever
    autorise permis
    interdit jamais
    maximum maximal limite
    minimum minimal
    erreur panne probleme defaut
    cout prix tarif couter
    conserver garder stocker
    raison cause
    acheter commander
    telephone appeler contacter joindre
    rapide vite
    besoin necessaire obligatoire`,
  es: `
    responsable encargado cargo
    empezar comenzar iniciar inicio
    terminar acabar finalizar fin
    borrar eliminar quitar
    permitido autorizado
    prohibido nunca
    error fallo problema
    costo precio tarifa cuesta
    guardar conservar almacenar
    razon causa motivo
    telefono llamar contactar`,
};

const RELATED = new Map(
  Object.entries(GROUPS).map(([language, groups]) => [
    language,
    byTerm(groups, language as Language),
  ]),
);

/** Terms that may stand for `term`, without itself. */
export function related(term: number, language: Language): readonly number[] {
  return RELATED.get(language)?.get(term) ?? [];
}

function byTerm(groups: string, language: Language): Map<number, readonly number[]> {
  const map = new Map<number, number[]>();
  for (const line of groups.trim().split('\n')) {
    const terms = line
      .trim()
      .split(' ')
      .map((word) => hashTerm(stem(word, language)));
    for (const term of terms) {
      const known = map.get(term) ?? [];
      map.set(term, [...new Set([...known, ...terms.filter((other) => other !== term)])]);
    }
  }
  return map;
}
