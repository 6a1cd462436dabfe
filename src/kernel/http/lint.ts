import { z } from 'zod';
import { ERRORS } from '../errors.ts';
import { pathParameters, type Route } from './route.ts';

/** Segments compare one by one: a literal before a parameter, then by name. */
export function bySpecificity(a: Route, b: Route): number {
  const key = (route: Route) => route.path.replace(/:\w+/g, '\uffff');
  const [left, right] = [key(a), key(b)];
  return left < right ? -1 : left > right ? 1 : 0;
}

const shapeOf = (route: Route) => `${route.method} ${route.path.replace(/:\w+/g, ':')}`;

function duplicates(values: readonly string[]): string[] {
  return [...new Set(values.filter((value, index) => values.indexOf(value) !== index))];
}

/** Paths of objects in a schema that would silently drop unknown members. */
function looseObjects(schema: unknown, at: string): string[] {
  if (typeof schema !== 'object' || schema === null) return [];
  const found = Object.entries(schema).flatMap(([key, value]) =>
    looseObjects(value, `${at}.${key}`),
  );
  const isLoose = 'properties' in schema && !('additionalProperties' in schema);
  const isObject = (schema as { type?: unknown }).type === 'object';
  return isLoose && isObject ? [at, ...found] : found;
}

function lintRoute(route: Route): string[] {
  const name = `${route.method} ${route.path}`;
  const statuses = Object.keys(route.responses).map(Number);
  const body = route.body
    ? looseObjects(z.toJSONSchema(route.body, { io: 'input', unrepresentable: 'any' }), 'body')
    : [];
  return [
    ...(statuses.length === 0 ? [`${name} declares no response`] : []),
    ...statuses
      .filter((status) => status < 200 || status > 399)
      .map((status) => `${name} declares ${status} as a response: errors are declared by code`),
    ...route.errors.filter((code) => !(code in ERRORS)).map((code) => `${name}: no error ${code}`),
    ...(route.body && (route.method === 'GET' || route.method === 'DELETE')
      ? [`${name} has a body, which ${route.method} must not (RFC 9110 9.3)`]
      : []),
    ...(route.auth === 'none' &&
    (route.permission ?? route.scope ?? route.stepUp ?? route.firstParty ?? route.evenEnded)
      ? [`${name} asks for rights of nobody`]
      : []),
    ...Object.keys(route.headers?.shape ?? {})
      .filter((header) => header !== header.toLowerCase())
      .map((header) => `${name}: header ${header} must be in lower case`),
    ...duplicates(pathParameters(route.path)).map((p) => `${name} has the parameter ${p} twice`),
    ...body.map((at) => `${name}: ${at} must be z.strictObject, or z.looseObject on purpose`),
  ];
}

/** What is wrong with a set of route declarations, in words; empty when nothing is. */
export function lintRoutes(routes: readonly Route[]): string[] {
  return [
    ...routes.flatMap(lintRoute),
    ...duplicates(routes.map(shapeOf)).map((shape) => `${shape} is declared twice`),
    ...duplicates(routes.map((route) => route.operationId)).map(
      (id) => `operationId ${id} is used twice`,
    ),
  ];
}

/** @throws TypeError naming everything that `lintRoutes` finds */
export function assertRoutes(routes: readonly Route[]): void {
  const problems = lintRoutes(routes);
  if (problems.length > 0) throw new TypeError(`Routes:\n${problems.join('\n')}`);
}
