import { ParquetFile, RowGroupBuilder } from './parquet/file.js';
import type { Emit, TableColumn, TableEncoder } from './table.js';
import { zstdCompressor } from './zstd.js';

/** Rows as Parquet: zstd, row groups of bounded size, each column with its type and statistics. */
export function parquetEncoder(columns: readonly TableColumn[], emit: Emit): TableEncoder {
  const file = new ParquetFile(columns);
  const builder = new RowGroupBuilder(columns);
  let begun = false;
  const begin = async (): Promise<void> => {
    if (!begun) await emit(file.start());
    begun = true;
  };
  const flush = async (): Promise<void> => {
    if (builder.rows === 0) return;
    const group = builder.take(await zstdCompressor());
    await begin();
    await emit(file.add(group));
  };
  return {
    async rows(rows) {
      for (const row of rows) {
        for (let i = 0; i < columns.length; i++) builder.put(i, row[i]);
        if (builder.endRow()) await flush();
      }
    },
    flush,
    async end() {
      await flush();
      await begin();
      await emit(file.end());
    },
    held: () => builder.bytes,
  };
}
