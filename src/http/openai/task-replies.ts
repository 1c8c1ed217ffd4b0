/** What a chat request answers beside a completion. */
import { z } from 'zod';

export const TaskStarted = z.object({
  task_id: z.string(),
  status: z.literal('pending'),
  message: z.string(),
  polling_url: z.string(),
});

export const TimedOut = z.object({
  error: z.literal('Request timeout'),
  task_id: z.string(),
  message: z.string(),
  timeout: z.number().describe('seconds'),
});
