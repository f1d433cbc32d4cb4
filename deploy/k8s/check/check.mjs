#!/usr/bin/env node
// Renders Kubernetes manifests and checks them without a cluster. See --help.
import {execFileSync} from 'node:child_process';
import {existsSync} from 'node:fs';
import {dirname, join, resolve} from 'node:path';
import {fileURLToPath} from 'node:url';
import {createRequire} from 'node:module';
import {openSchemas} from './schema.mjs';
import {checkReferences} from './references.mjs';

const usage = `usage: check.mjs [--modules DIR] [--kubectl PROGRAM] [--secret NAME=KEY,KEY...]... [FOLDER]
Renders FOLDER (default: the folder above this script) with "kubectl kustomize" and checks every object against the
Kubernetes API's description, unknown fields included, and the objects' references to each other.

  --modules DIR      the node_modules folder to use (default: beside this script); fill one with: install.sh DIR
  --kubectl PROGRAM  default: kubectl
  --secret NAME=...  a Secret made outside the manifests and its keys (default: wordcount-tls as the README makes it)

Prints one line "OBJECT: path: problem" for each problem. Exit code: 0 fine, 1 problems found,
2 could not check, 77 kubectl or the packages are missing.`;

/// Something that has to be installed first; ctest takes this exit code for "skipped".
class Missing extends Error {
  exitCode = 77;
}

const here = dirname(fileURLToPath(import.meta.url));

export function parseArguments(words) {
  const options = {modules: join(here, 'node_modules'), kubectl: 'kubectl', folder: dirname(here), secrets: new Map()};
  const folders = [];
  for (let i = 0; i < words.length; ++i) {
    const [, flag, glued] = /^(--[a-z]+)(?:=(.*))?$/s.exec(words[i]) ?? [];
    if (words[i] === '-h' || flag === '--help') return {help: true};
    if (!flag) {
      folders.push(words[i]);
      continue;
    }
    const value = glued ?? words[++i];
    if (value === undefined) throw new Error(`${flag} needs a value`);
    if (flag === '--modules') options.modules = resolve(value);
    else if (flag === '--kubectl') options.kubectl = value;
    else if (flag === '--secret') {
      const [name, ...keys] = value.split('=');
      options.secrets.set(name, keys.join('=').split(',').filter((key) => key !== ''));
    } else throw new Error(`unknown option ${flag}`);
  }
  if (folders.length > 1) throw new Error('name one folder only');
  if (folders.length === 1) options.folder = folders[0];
  if (options.secrets.size === 0) {
    const members = ['wordcount-0', 'wordcount-1', 'wordcount-2', 'coordinator'];
    options.secrets.set('wordcount-tls', ['ca.crt', ...members.flatMap((name) => [`${name}.crt`, `${name}.key`])]);
  }
  return options;
}

/// The objects that `kubectl kustomize FOLDER` prints.
export function render(options) {
  if (!existsSync(join(options.modules, 'kubernetes-models')))
    throw new Missing(`no packages in ${options.modules}; run install.sh DIR (beside this script), then add: ` +
                      '--modules DIR/node_modules');
  const {parseAllDocuments} = createRequire(join(options.modules, 'x.js'))('yaml');
  let text;
  try {
    text = execFileSync(options.kubectl, ['kustomize', options.folder],
                        {encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe']});
  } catch (error) {
    if (error.code === 'ENOENT') throw new Missing(`${options.kubectl} not found; install it (tools/install-deps.sh test)`);
    throw new Error(`${options.kubectl} kustomize ${options.folder} failed:\n${error.stderr ?? error.message}`);
  }
  const documents = parseAllDocuments(text);
  for (const document of documents) if (document.errors.length > 0) throw document.errors[0];
  return documents.map((document) => document.toJS()).filter((object) => object !== null);
}

/// One line for each problem of these objects. References are read only from objects whose fields are right.
export async function problems(objects, options) {
  const check = openSchemas(options.modules);
  const lines = [];
  for (const object of objects)
    for (const {path, problem} of await check(object))
      lines.push(`${object?.kind}/${object?.metadata?.name}: ${path}: ${problem}`);
  if (lines.length > 0) return lines;
  for (const {object, path, problem} of checkReferences(objects, options.secrets))
    lines.push(`${object}: ${path}: ${problem}`);
  return lines;
}

async function main() {
  let options;
  try {
    options = parseArguments(process.argv.slice(2));
  } catch (error) {
    console.error(`check.mjs: ${error.message}\n\n${usage}`);
    return 2;
  }
  if (options.help) {
    console.log(usage);
    return 0;
  }
  try {
    const objects = render(options);
    if (objects.length === 0) throw new Error(`${options.folder} renders no object`);
    const lines = await problems(objects, options);
    for (const line of lines) console.log(line);
    console.log(`${objects.length} objects, ${lines.length} problems`);
    return lines.length === 0 ? 0 : 1;
  } catch (error) {
    console.error(`check.mjs: ${error.message}`);
    return error.exitCode ?? 2;
  }
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) process.exitCode = await main();
