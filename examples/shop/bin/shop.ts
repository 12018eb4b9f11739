import { App } from 'aws-cdk-lib';
import { environments } from '../lib/environments';
import { ShopStage } from '../lib/shop-stage';

const app = new App();
for (const environment of environments) {
  new ShopStage(app, environment);
}
