/**
 * How long turns take, by conversation and engine, from the attempts that are kept. Exact: nearest
 * rank over every turn, no sketch.
 *
 * A turn counts once it has ended and is known to have begun. Its time counts when it says how long
 * an answer takes: because it brought one, or because its time ran out first, so that the answer
 * takes at least so long. A turn that failed for another reason is counted and not timed: a thousand
 * quick failures would hide how slow the answers are.
 */

/** Turns that ended at a time that fulfils the condition on it, in microseconds since the epoch. */
export function finishedTurns(ended: string, further = ''): string {
  return `
    SELECT session, conversation_id, coalesce(engine, '') AS engine, outcome, error_code,
           (completed_at_us - started_at_us) / 1000.0 AS turn_ms,
           input_tokens, output_tokens
    FROM warmline_done
    WHERE started_at_us IS NOT NULL AND completed_at_us ${ended} ${further}
    UNION ALL
    SELECT session, conversation_id, coalesce(engine, ''), outcome, error_code,
           (finished_at_us - started_at_us) / 1000.0, input_tokens, output_tokens
    FROM warmline_attempts
    WHERE started_at_us IS NOT NULL AND finished_at_us ${ended} ${further}`;
}

/** The value of nearest rank: the smallest that so many of a hundred do not exceed. */
const percentile = (percent: number) =>
  `max(CASE WHEN is_timed AND rank = (total * ${percent} + 99) / 100 THEN turn_ms END)`;

/** One row for each conversation and engine, over turns as `finishedTurns` selects them. */
export function latency(turns: string): string {
  const group = 'session, conversation_id, engine';
  // One window for rank and total, over no more than is needed: sorting is what this costs.
  return `
    SELECT ${group}, count(*) AS samples, sum(is_complete) AS complete,
           sum(NOT is_complete) AS failed, sum(is_timed) AS timed,
           ${percentile(50)} AS p50_ms, ${percentile(95)} AS p95_ms, ${percentile(99)} AS p99_ms,
           max(CASE WHEN is_timed THEN turn_ms END) AS max_ms,
           avg(CASE WHEN is_timed THEN turn_ms END) AS mean_ms,
           coalesce(sum(input_tokens), 0) AS input_tokens,
           coalesce(sum(output_tokens), 0) AS output_tokens
    FROM (SELECT *, row_number() OVER turns AS rank,
                 count(*) OVER (turns ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
                   AS total
          FROM (SELECT ${group}, turn_ms, input_tokens, output_tokens,
                       outcome = 'complete' AS is_complete,
                       outcome = 'complete' OR coalesce(error_code, '') = 'timeout' AS is_timed
                FROM (${turns}))
          WINDOW turns AS (PARTITION BY ${group}, is_timed ORDER BY turn_ms))
    GROUP BY ${group}`;
}
