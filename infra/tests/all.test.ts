// One process for all: loading the CDK is what takes time.
import './actions.test';
import './alarms.test';
import './approvers.test';
import './configuration.test';
import './dead-letters.test';
import './definition.test';
import './environment.test';
import './nag.test';
import './pipeline.test';
import './snapshot.test';
import './workflows.test';
