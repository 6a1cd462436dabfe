/** Types of the adapter that oidc-provider brings along for development; upstream ships none. */
declare module 'oidc-provider/lib/adapters/memory_adapter.js' {
  import type { Adapter } from 'oidc-provider';

  interface MemoryAdapter extends Adapter {}
  const MemoryAdapter: new (model: string, store: Map<string, unknown>) => MemoryAdapter;
  export default MemoryAdapter;
}
