/** What the view knows of the bus and of the bridge, and how fresh that is. */
import type { BusOverview, ListedQuestion } from '../../src/bus/index.js';
import type { BridgeReport } from './bridge-report.js';

export interface BusFacts {
  readonly overview: BusOverview;
  /** Those that the filter lets through, newest first. */
  readonly questions: readonly ListedQuestion[];
  /** There are further ones, older than the last of `questions`. */
  readonly isCut: boolean;
}

export type BusState =
  | { readonly at: 'opening' }
  | { readonly at: 'open'; readonly facts: BusFacts }
  /** What was read last stays, as of then. */
  | { readonly at: 'lost'; readonly why: string; readonly facts: BusFacts | undefined };

export type BridgeState =
  | { readonly at: 'connecting' }
  | { readonly at: 'up'; readonly report: BridgeReport }
  | { readonly at: 'down'; readonly why: string };

export function factsOf(bus: BusState): BusFacts | undefined {
  return bus.at === 'opening' ? undefined : bus.facts;
}
