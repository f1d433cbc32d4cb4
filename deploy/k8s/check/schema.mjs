// Checks one object against the Kubernetes API's own description: types, required and enumerated fields with the
// schemas of `kubernetes-models`, which let unknown fields pass; unknown fields with the attribute tables of
// `@kubernetes/client-node`, which know every field's name and type but not which are required.
import {createRequire} from 'node:module';
import {existsSync} from 'node:fs';
import {join} from 'node:path';
import {pathToFileURL} from 'node:url';

const primitives = new Set(['string', 'number', 'boolean', 'Date', 'any', 'object', 'IntOrString', 'V1MicroTime']);

/// Opens the two packages below `modules` (a node_modules folder) and returns check(object) -> [{path, problem}].
export function openSchemas(modules) {
  const require = createRequire(join(modules, 'x.js'));
  const tables = join(modules, '@kubernetes', 'client-node', 'dist', 'gen', 'models');

  async function unknownFields(value, type, path, out) {
    const list = /^Array<(.*)>$/.exec(type);
    const map = /^\{ \[key: string\]: (.*); \}$/.exec(type);
    if (value === null || value === undefined || primitives.has(type)) return;
    if (list) {
      if (Array.isArray(value))
        for (const [i, item] of value.entries()) await unknownFields(item, list[1], `${path}[${i}]`, out);
      return;
    }
    if (typeof value !== 'object' || Array.isArray(value)) return;  // a wrong type: the schema's business
    if (map) {
      for (const [key, item] of Object.entries(value)) await unknownFields(item, map[1], `${path}.${key}`, out);
      return;
    }
    const file = join(tables, `${type}.js`);
    if (!existsSync(file)) {
      out.push({path, problem: `no description of type ${type} is known`});
      return;
    }
    const model = (await import(pathToFileURL(file).href))[type];
    const fields = new Map(model.getAttributeTypeMap().map((field) => [field.baseName, field.type]));
    for (const [key, item] of Object.entries(value)) {
      const at = path ? `${path}.${key}` : key;
      if (!fields.has(key))
        out.push({path: at, problem: `unknown field; ${type} has: ${[...fields.keys()].join(', ')}`});
      else await unknownFields(item, fields.get(key), at, out);
    }
  }

  return async function check(object) {
    const {apiVersion, kind} = object ?? {};
    if (typeof apiVersion !== 'string' || typeof kind !== 'string')
      return [{path: '', problem: 'an object needs apiVersion and kind'}];
    let model;
    try {
      model = require(`kubernetes-models/${apiVersion}/${kind}`)[kind];
    } catch {
      return [{path: 'apiVersion', problem: `no kind ${kind} in ${apiVersion}`}];
    }
    const out = [];
    try {
      new model(structuredClone(object)).validate();
    } catch (error) {
      if (!Array.isArray(error.errors)) throw error;
      for (const e of error.errors)
        out.push({path: e.instancePath.slice(1).replaceAll(/\/(\d+)(?=\/|$)/g, '[$1]').replaceAll('/', '.'),
                  problem: e.message});
    }
    const version = apiVersion.split('/').pop();
    await unknownFields(object, version[0].toUpperCase() + version.slice(1) + kind, '', out);
    return out;
  };
}
