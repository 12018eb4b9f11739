import * as path from 'node:path';
import { CfnOutput, Duration, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib';
import { HttpApi, HttpMethod } from 'aws-cdk-lib/aws-apigatewayv2';
import { HttpLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations';
import { TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import type { ITable } from 'aws-cdk-lib/aws-dynamodb';
import { Architecture, Code, Function, Runtime } from 'aws-cdk-lib/aws-lambda';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import type { ShopEnvironment } from './environments';

export interface WebStackProps extends StackProps {
  readonly environment: ShopEnvironment;
  /** Where orders are kept. */
  readonly orders: ITable;
}

/** What customers talk to. */
export class WebStack extends Stack {
  constructor(scope: Construct, id: string, props: WebStackProps) {
    super(scope, id, props);
    const { environment, orders } = props;

    const shop = new Function(this, 'Shop', {
      runtime: Runtime.PYTHON_3_13,
      architecture: Architecture.ARM_64,
      handler: 'index.handler',
      // Bytecode carries timestamps: with it, the same source would give a new release each time.
      code: Code.fromAsset(path.join(__dirname, '..', 'lambda'), { exclude: ['**/__pycache__'] }),
      memorySize: 256,
      timeout: Duration.seconds(10),
      environment: {
        ENVIRONMENT: environment.name,
        BANNER: environment.banner,
        ORDERS_TABLE: orders.tableName,
      },
      logGroup: new LogGroup(this, 'ShopLogs', {
        retention: RetentionDays.ONE_MONTH,
        removalPolicy: RemovalPolicy.DESTROY,
      }),
    });
    orders.grant(shop, 'dynamodb:PutItem');

    const api = new HttpApi(this, 'Api', { apiName: `shop-${environment.name}` });
    const integration = new HttpLambdaIntegration('ShopIntegration', shop);
    api.addRoutes({ path: '/health', methods: [HttpMethod.GET], integration });
    api.addRoutes({ path: '/items', methods: [HttpMethod.GET], integration });
    api.addRoutes({ path: '/items/{id}', methods: [HttpMethod.GET], integration });
    api.addRoutes({ path: '/quotes', methods: [HttpMethod.POST], integration });
    api.addRoutes({ path: '/orders', methods: [HttpMethod.POST], integration });

    // Where lockgate.toml names it in `bake`, Lockgate watches it while a release bakes.
    shop.metricErrors({ period: Duration.minutes(1) }).createAlarm(this, 'Errors', {
      alarmName: `shop-${environment.name}-errors`,
      alarmDescription: 'Customers get an error instead of an answer.',
      threshold: 1,
      evaluationPeriods: 1,
      treatMissingData: TreatMissingData.NOT_BREACHING,
    });

    new CfnOutput(this, 'Url', { value: api.apiEndpoint });
    new CfnOutput(this, 'FunctionName', { value: shop.functionName });
  }
}
