import { join } from 'node:path';
import { environment, type Settings, stateHome } from '../../../src/config/index.js';
import { setProbes } from '../../../src/failpoints/index.js';
import { runUntilStopped } from '../../../src/lifecycle.js';
import { createLogger } from '../../../src/log.js';
import { startWatchdog } from '../../../src/watchdog/index.js';
import { type AutopollSettings, type FigureSettings, runAutopoll } from '../../autopoll/index.js';
import { clientOptions } from '../bridge-client.js';
import { startSummary, summaryText } from '../bus-summary.js';
import { UsageError } from '../failure.js';
import { needBus, settingsFor, type Words } from '../options.js';
import { announceReady, printJson, printText } from '../output.js';
import { AUTOPOLL } from '../sections.js';

interface AutopollWords {
  readonly once?: boolean;
  readonly json?: boolean;
}

export async function autopoll(words: Words): Promise<number> {
  const settings = await settingsFor(words, ...AUTOPOLL);
  const { once = false, json = false } = words as AutopollWords;
  if (json && !once) throw new UsageError('--json prints the summary of --once; give both');
  const db = needBus(settings);
  const { session } = settings.bus;
  const { drainMs, logLevel, watchdogMs } = settings.process;
  const log = createLogger({ level: logLevel });
  setProbes(settings.process, log);
  const bridge = clientOptions(settings, 'warmline-autopoll');
  const summarise = once ? startSummary(db, session) : undefined;
  const code = await runUntilStopped({ log, drainMs }, async (life) => {
    if (watchdogMs > 0) startWatchdog({ stallMs: watchdogMs, log });
    await runAutopoll({
      db,
      session,
      bridge,
      settings: autopollSettings(settings),
      once,
      connectMs: settings.autopoll.connectMs,
      // Asked for when the stop begins: after a failure nothing is waited for.
      get drainMs() {
        return life.drainMs();
      },
      spoolDir: settings.autopoll.spoolDir ?? usualSpoolDir(),
      checkEveryMs: settings.autopoll.checkEveryMs,
      fallbackEveryMs: settings.autopoll.fallbackEveryMs,
      figures: figureSettings(settings),
      warn: {
        command: settings.warnings.warnCommand,
        url: settings.warnings.warnUrl,
        environment: environment(),
      },
      log,
      signal: life.stopping,
      onReady: () => {
        if (!once) announceReady({ role: 'autopoll', db, pid: process.pid });
      },
    });
  });
  if (summarise !== undefined && code === 0) {
    const summary = summarise();
    if (json) printJson(summary);
    else printText(summaryText(summary));
  }
  return code;
}

function usualSpoolDir(): string | undefined {
  const home = stateHome(environment());
  return home && join(home, 'warmline', 'spool');
}

function figureSettings({ autopoll }: Settings): FigureSettings {
  const { retentionDays, adaptiveTimeouts, adaptiveFloorMs, adaptiveCeilingMs } = autopoll;
  const bounds = { floorMs: adaptiveFloorMs, ceilingMs: adaptiveCeilingMs };
  return { retentionDays, adaptive: adaptiveTimeouts ? bounds : undefined };
}

function autopollSettings({ autopoll, turns, warnings }: Settings): AutopollSettings {
  const { conversation, maxAttempts, retryBaseMs, retryMaxMs, scheduleToCloseMs } = autopoll;
  return {
    concurrency: autopoll.concurrency,
    conversations: conversation.length === 0 ? undefined : conversation,
    includeExpired: autopoll.includeExpired,
    sticky: autopoll.sticky,
    shardId: autopoll.shardId,
    turnTimeoutMs: turns.turnTimeoutMs,
    idleGapMs: turns.idleGapMs,
    leaseMs: autopoll.leaseMs,
    renewEveryMs: autopoll.renewEveryMs,
    reapEveryMs: autopoll.reapEveryMs,
    heartbeatEveryMs: autopoll.heartbeatEveryMs,
    retry: { maxAttempts, baseDelayMs: retryBaseMs, maxDelayMs: retryMaxMs, scheduleToCloseMs },
    stopTurnMs: autopoll.stopTurnMs,
    warnings: {
      oldestMs: warnings.warnOldestMs,
      backlogGrowth: warnings.warnBacklogGrowth,
      emptyMs: warnings.warnEmptyMs,
      starvedMs: warnings.warnStarvedMs,
      failurePercent: warnings.warnFailurePercent,
      dead: warnings.warnDead,
      reaperLateMs: warnings.warnReaperLateMs,
      walBytes: warnings.warnWalBytes,
      diskBytes: warnings.warnDiskBytes,
      clockJumpMs: warnings.warnClockJumpMs,
      lockMs: warnings.warnLockMs,
    },
  };
}
