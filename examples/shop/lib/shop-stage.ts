import { Stage } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { DataStack } from './data-stack';
import type { ShopEnvironment } from './environments';
import { WebStack } from './web-stack';

/** The whole shop, once per environment. */
export class ShopStage extends Stage {
  constructor(scope: Construct, environment: ShopEnvironment) {
    const { name, account, region } = environment;
    super(scope, name, { env: { account, region } });

    const data = new DataStack(this, 'Data', { stackName: `shop-${name}-data` });
    new WebStack(this, 'Web', { stackName: `shop-${name}-web`, environment, orders: data.orders });
  }
}
