import { numberOf } from '../core/json.js';
import { allOf, orClause } from './clauses.js';
import { parseDecimal, toNumber } from './decimals.js';
import type {
  Clause,
  CompiledParameter,
  IndexContext,
  ParameterQuery,
  ParameterType,
} from './parameter-type.js';
import { badValue, unsupportedModifier } from './refusal.js';
import { parameterTerms } from './terms.js';
import { splitEscaped } from './values.js';

/** Mean radius of the Earth (IUGG). */
const EARTH_KM = 6_371.0088;

/** R4 leaves the distance to the server where a search gives none. */
export const DEFAULT_DISTANCE_KM = 50;

/** UCUM codes of lengths, in kilometres. */
const KM_PER: Record<string, number> = {
  km: 1,
  m: 1e-3,
  '[mi_i]': 1.609344,
  '[mi_us]': 1.609347219,
  '[nmi_i]': 1.852,
  '[ft_i]': 3.048e-4,
};

/** The box of the index is this much wider than the circle, against rounding. */
const SLACK = 1.000_001;

interface Place {
  readonly latitude: number;
  readonly longitude: number;
}

function placeOf(value: unknown): Place | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const latitude = numberOf((value as { latitude?: unknown }).latitude);
  const longitude = numberOf((value as { longitude?: unknown }).longitude);
  return latitude === undefined || longitude === undefined ? undefined : { latitude, longitude };
}

function radians(degrees: number): number {
  return (degrees * Math.PI) / 180;
}

function degrees(radian: number): number {
  return (radian * 180) / Math.PI;
}

/** Great-circle distance by the haversine formula. */
function distanceKm(a: Place, b: Place): number {
  const dLat = radians(b.latitude - a.latitude);
  const dLon = radians(b.longitude - a.longitude);
  const h =
    Math.sin(dLat / 2) ** 2 +
    Math.cos(radians(a.latitude)) * Math.cos(radians(b.latitude)) * Math.sin(dLon / 2) ** 2;
  return 2 * EARTH_KM * Math.asin(Math.min(1, Math.sqrt(h)));
}

function searchedOf(query: ParameterQuery, text: string): Place & { readonly km: number } {
  const [lat = '', lon = '', distance, unit, more] = splitEscaped(text, '|');
  const numbers = [lat, lon, distance || '0'].map((t) => {
    const d = parseDecimal(t);
    return d ? toNumber(d) : Number.NaN;
  }) as [number, number, number];
  const perUnit = unit ? KM_PER[unit] : 1;
  const [latitude, longitude, far] = numbers;
  if (
    more !== undefined ||
    perUnit === undefined ||
    !(
      Math.abs(latitude) <= 90 &&
      Math.abs(longitude) <= 180 &&
      far >= 0 &&
      far * perUnit <= EARTH_KM * Math.PI
    )
  ) {
    throw badValue(
      query,
      'a place',
      `Write it as latitude|longitude|distance|unit in degrees and one of ${Object.keys(KM_PER).join(', ')}.`,
    );
  }
  return { latitude, longitude, km: distance ? far * perUnit : DEFAULT_DISTANCE_KM };
}

/** Places within a distance of a point: by a box in the index, then by the distance itself. R4 location.html#positional. */
export const nearParameter: ParameterType = {
  extract(parameter, values, _resource, to, context) {
    const terms = parameterTerms(context, parameter);
    for (const value of values) {
      const place = placeOf(value);
      if (!place) continue;
      to.quantity({
        term: terms.one('quantity', 'latitude'),
        unit: 0n,
        lo: place.latitude,
        hi: place.latitude,
      });
      to.quantity({
        term: terms.one('quantity', 'longitude'),
        unit: 0n,
        lo: place.longitude,
        hi: place.longitude,
      });
      to.term(terms.fixed('present'));
    }
  },

  compile(query, context) {
    if (query.modifier !== undefined) throw unsupportedModifier(query, 'It has :missing only.');
    const clauses = query.values.map((v) => box(query, v.text, context).clause);
    return { clause: orClause(clauses), exact: false };
  },

  matches(query, values) {
    return query.values.some((v) => {
      const wanted = searchedOf(query, v.text);
      return values.some((value) => {
        const place = placeOf(value);
        return place !== undefined && distanceKm(place, wanted) <= wanted.km;
      });
    });
  },
};

function box(query: ParameterQuery, text: string, context: IndexContext): CompiledParameter {
  const { latitude, longitude, km } = searchedOf(query, text);
  const terms = parameterTerms(context, query.parameter);
  const angle = (km / EARTH_KM) * SLACK + 1e-9;
  const dLat = degrees(angle);
  const within = (name: string, min: number, max: number): Clause => ({
    kind: 'quantity',
    term: terms.one('quantity', name),
    loMin: min,
    hiMax: max,
  });
  const south = latitude - dLat;
  const north = latitude + dLat;
  const lat = within('latitude', south, north);
  // A circle around a pole has every longitude in it.
  if (south <= -90 || north >= 90) return { clause: lat, exact: false };
  const dLon = degrees(Math.asin(Math.min(1, Math.sin(angle) / Math.cos(radians(latitude))))) * SLACK + 1e-9;
  const west = longitude - dLon;
  const east = longitude + dLon;
  const spans: Clause[] = [within('longitude', Math.max(west, -180), Math.min(east, 180))];
  // Beyond the date line it goes on at the other side.
  if (west < -180) spans.push(within('longitude', west + 360, 180));
  if (east > 180) spans.push(within('longitude', -180, east - 360));
  return allOf([
    { clause: lat, exact: false },
    { clause: orClause(spans), exact: false },
  ]);
}
