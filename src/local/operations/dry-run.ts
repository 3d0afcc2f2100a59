import { ApiError } from '../api-error.ts'

export const dryRun = { type: 'Boolean' } as const

/** A request that only asks whether it would succeed ends here, when every check has passed and nothing was done. */
export function endDryRun(input: { readonly DryRun?: boolean }): void {
  if (input.DryRun)
    throw new ApiError(
      'DryRunOperationException',
      'The request was rejected because the DryRun parameter was specified.',
    )
}
