import type { State } from '../../src/http/dashboard/wire.js';
import { Empty, Trouble } from '../parts/bits.js';

type Without = Exclude<State['bus'], { at: 'open' }>;

/** What stands where the bus would. */
export function NoBus({ bus }: { bus: Without }) {
  if (bus.at === 'lost') return <Trouble text={`The bus cannot be read: ${bus.why}`} />;
  return (
    <Empty title="This server has no bus.">
      <p>
        Start it with <code>warmline up --db bus.db</code>, and its questions show here.
      </p>
    </Empty>
  );
}
