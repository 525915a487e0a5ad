import { request as requestHttp } from 'node:http';
import type { FuzzTarget } from './fuzz.js';

/** Sends over HTTP whatever may be written there, well formed or not. */
export function sender(port: number): FuzzTarget['send'] {
  return ({ method, path, token, headers = {}, body }) =>
    new Promise((resolve, reject) => {
      const request = requestHttp(
        {
          host: '127.0.0.1',
          port,
          method,
          path: path.replace(/[^\x21-\x7e]/g, ''),
          headers: {
            ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
            ...(body === undefined
              ? {}
              : {
                  'Content-Type': 'application/fhir+json',
                  'Content-Length': String(Buffer.byteLength(body)),
                }),
            ...headers,
          },
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () =>
            resolve({ status: response.statusCode!, text: Buffer.concat(chunks).toString('utf8') }),
          );
        },
      );
      let answered = false;
      request.on('response', () => {
        answered = true;
      });
      request.on('error', (error) => setTimeout(() => !answered && reject(error), 200));
      request.end(body);
    });
}
