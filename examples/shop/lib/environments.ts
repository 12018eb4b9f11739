/** Where the shop runs, and what differs from one place to the next. */
export interface ShopEnvironment {
  /** Part of every stack's name, and what `/health` answers. */
  readonly name: string;
  readonly account: string;
  readonly region: string;
  /** What customers read above the list of items. */
  readonly banner: string;
}

export const environments: readonly ShopEnvironment[] = [
  {
    name: 'dev',
    account: '222222222222',
    region: 'eu-west-1',
    banner: 'Development. Nothing you order here is sent.',
  },
  {
    name: 'test',
    account: '333333333333',
    region: 'eu-west-1',
    banner: 'Acceptance test. Please try to break it.',
  },
  {
    name: 'production',
    account: '444444444444',
    region: 'eu-west-1',
    banner: 'Fresh tea, sent the same day.',
  },
];
