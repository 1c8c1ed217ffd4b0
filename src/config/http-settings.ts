/** Settings of the HTTP door. */
import { z } from 'zod';
import { onOff, optionalPath, portOrOff, texts, whole } from './setting.js';

export const Http = z.object({
  httpPort: portOrOff(3010, {
    about: 'port of the HTTP door, at the same address; 0 takes a free one',
  }),
  httpTasks: whole(5, {
    unit: 'N',
    min: 1,
    max: 256,
    about: 'tasks of the HTTP door at work at once, those of sticky sessions aside',
  }),
  httpMaxTasks: whole(1000, {
    unit: 'N',
    min: 1,
    max: 100_000,
    about: 'unfinished tasks of the HTTP door; beyond it the answer is busy',
  }),
  httpMaxRequests: whole(256, {
    unit: 'N',
    min: 1,
    max: 100_000,
    about: 'questions that the HTTP door holds open at once; beyond it the answer is busy',
  }),
  httpName: texts(/^[A-Za-z0-9.-]{1,253}$/, {
    value: 'NAME',
    expects: 'host names such as models.example.org',
    about: 'name that the HTTP door is called by, beside localhost and its own addresses',
  }),
  httpOrigin: texts(/^https?:\/\/[A-Za-z0-9.-]+(:\d{1,5})?$/, {
    value: 'ORIGIN',
    expects: 'origins such as https://app.example.org',
    about: 'web page that may call the HTTP door from a browser; no other may',
  }),
  httpHook: texts(
    /^(https:\/\/[^\s@/?#\\]+([/?#]\S*)?|http:\/\/(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?(\/\S*)?)$/,
    {
      value: 'URL',
      expects:
        'https:// addresses, or http:// addresses on this machine, without a user or password',
      isDelicate: true,
      about: 'address that is told of the end of each task, by a signed POST',
    },
  ),
  httpHookSecretFile: optionalPath({
    value: 'FILE',
    about: 'file with the secret that web hooks are signed by, readable by its owner only',
  }),
  strictModels: onOff({
    about: 'the HTTP door refuses models that no engine claims, instead of the default engine',
  }),
});
