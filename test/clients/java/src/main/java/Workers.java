import java.net.URI;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.cloudwatch.CloudWatchAsyncClient;
import software.amazon.awssdk.services.dynamodb.DynamoDbAsyncClient;
import software.amazon.awssdk.services.dynamodb.model.AttributeDefinition;
import software.amazon.awssdk.services.dynamodb.model.BillingMode;
import software.amazon.awssdk.services.dynamodb.model.KeySchemaElement;
import software.amazon.awssdk.services.dynamodb.model.KeyType;
import software.amazon.awssdk.services.dynamodb.model.ProjectionType;
import software.amazon.awssdk.services.dynamodb.model.ProvisionedThroughput;
import software.amazon.awssdk.services.dynamodb.model.ScalarAttributeType;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.kinesis.common.ConfigsBuilder;
import software.amazon.kinesis.common.InitialPositionInStream;
import software.amazon.kinesis.common.InitialPositionInStreamExtended;
import software.amazon.kinesis.common.KinesisClientUtil;
import software.amazon.kinesis.coordinator.Scheduler;
import software.amazon.kinesis.coordinator.WorkerStateChangeListener;
import software.amazon.kinesis.lifecycle.events.InitializationInput;
import software.amazon.kinesis.lifecycle.events.LeaseLostInput;
import software.amazon.kinesis.lifecycle.events.ProcessRecordsInput;
import software.amazon.kinesis.lifecycle.events.ShardEndedInput;
import software.amazon.kinesis.lifecycle.events.ShutdownRequestedInput;
import software.amazon.kinesis.metrics.MetricsLevel;
import software.amazon.kinesis.processor.ShardRecordProcessor;
import software.amazon.kinesis.processor.SingleStreamTracker;
import software.amazon.kinesis.retrieval.KinesisClientRecord;
import software.amazon.kinesis.retrieval.fanout.FanOutConfig;
import software.amazon.kinesis.retrieval.polling.PollingConfig;

/**
 * Two workers of one application of the KCL: {@code Workers KINESIS DYNAMODB APPLICATION STREAM polling|fan-out}.
 * What happens is told on stdout, a line each: {@code begin|record|end WORKER SHARD [SEQUENCE NUMBER] [DATA]}. They stop
 * politely when stdin ends.
 */
public class Workers {
  public static void main(String[] args) throws Exception {
    String kinesisEndpoint = args[0];
    String dynamoEndpoint = args[1];
    String application = args[2];
    String stream = args[3];
    boolean isFanOut = args[4].equals("fan-out");

    StaticCredentialsProvider credentials = StaticCredentialsProvider.create(AwsBasicCredentials.create("any", "any"));
    DynamoDbAsyncClient dynamo = DynamoDbAsyncClient.builder().region(Region.US_EAST_1)
        .credentialsProvider(credentials).endpointOverride(URI.create(dynamoEndpoint)).build();
    // Asked for nothing, as metrics are off.
    CloudWatchAsyncClient cloudWatch = CloudWatchAsyncClient.builder().region(Region.US_EAST_1)
        .credentialsProvider(credentials).endpointOverride(URI.create(dynamoEndpoint)).build();
    createLeaseTable(dynamo, application);

    List<Scheduler> schedulers = new ArrayList<>();
    for (String worker : List.of("w1", "w2")) {
      KinesisAsyncClient kinesis = KinesisClientUtil.createKinesisAsyncClient(KinesisAsyncClient.builder()
          .region(Region.US_EAST_1).credentialsProvider(credentials).endpointOverride(URI.create(kinesisEndpoint)));
      // One after the other: two that begin at once with an empty table are in each other's way.
      CountDownLatch isStarted = new CountDownLatch(1);
      Scheduler scheduler =
          scheduler(worker, application, stream, isFanOut, kinesis, dynamo, cloudWatch, isStarted);
      Thread thread = new Thread(scheduler, worker);
      thread.setDaemon(true);
      thread.start();
      schedulers.add(scheduler);
      isStarted.await(180, TimeUnit.SECONDS);
      tell("started " + worker);
    }
    while (System.in.read() >= 0) {
      // Only its end matters.
    }
    for (Scheduler scheduler : schedulers) scheduler.startGracefulShutdown().get(30, TimeUnit.SECONDS);
    System.exit(0);
  }

  private static Scheduler scheduler(String worker, String application, String stream, boolean isFanOut,
      KinesisAsyncClient kinesis, DynamoDbAsyncClient dynamo, CloudWatchAsyncClient cloudWatch,
      CountDownLatch isStarted) {
    InitialPositionInStreamExtended start =
        InitialPositionInStreamExtended.newInitialPosition(InitialPositionInStream.TRIM_HORIZON);
    ConfigsBuilder configs = new ConfigsBuilder(new SingleStreamTracker(stream, start), application, kinesis, dynamo,
        cloudWatch, worker, () -> new Processor(worker));
    // Shorter waits than its defaults, of which some are minutes; what it does is the same.
    var leases = configs.leaseManagementConfig().failoverTimeMillis(5_000).shardSyncIntervalMillis(2_000)
        .leasesRecoveryAuditorExecutionFrequencyMillis(3_000).leaseAssignmentIntervalMillis(2_000L)
        .dynamoDbLockBasedLeaderLeaseDurationInMillis(10_000).dynamoDbLockBasedLeaderHeartbeatPeriodInMillis(2_000);
    leases.workerUtilizationAwareAssignmentConfig().workerMetricsReporterFreqInMillis(2_000)
        .inMemoryWorkerMetricsCaptureFrequencyMillis(500).varianceBalancingFrequency(1);
    var coordinator = configs.coordinatorConfig().parentShardPollIntervalMillis(500)
        .shardConsumerDispatchPollIntervalMillis(200).schedulerInitializationBackoffTimeMillis(500)
        .workerStateChangeListener(state -> {
          if (state == WorkerStateChangeListener.WorkerState.STARTED) isStarted.countDown();
        });
    var retrieval = configs.retrievalConfig().retrievalSpecificConfig(isFanOut
        ? new FanOutConfig(kinesis).streamName(stream).applicationName(application)
        : new PollingConfig(stream, kinesis).idleTimeBetweenReadsInMillis(300));
    return new Scheduler(configs.checkpointConfig(), coordinator, leases, configs.lifecycleConfig(),
        configs.metricsConfig().metricsLevel(MetricsLevel.NONE), configs.processorConfig(), retrieval);
  }

  /** With the index that the KCL would add to its table afterwards, which dynalite does not do. */
  private static void createLeaseTable(DynamoDbAsyncClient dynamo, String name) {
    ProvisionedThroughput throughput =
        ProvisionedThroughput.builder().readCapacityUnits(100L).writeCapacityUnits(100L).build();
    dynamo.createTable(table -> table.tableName(name).billingMode(BillingMode.PROVISIONED)
        .provisionedThroughput(throughput)
        .attributeDefinitions(text("leaseKey"), text("leaseOwner"))
        .keySchema(key("leaseKey", KeyType.HASH))
        .globalSecondaryIndexes(index -> index.indexName("LeaseOwnerToLeaseKeyIndex")
            .keySchema(key("leaseOwner", KeyType.HASH), key("leaseKey", KeyType.RANGE))
            .projection(projection -> projection.projectionType(ProjectionType.KEYS_ONLY))
            .provisionedThroughput(throughput)))
        .join();
    dynamo.waiter().waitUntilTableExists(table -> table.tableName(name),
        waiter -> waiter.waitTimeout(Duration.ofSeconds(30))).join();
  }

  private static AttributeDefinition text(String name) {
    return AttributeDefinition.builder().attributeName(name).attributeType(ScalarAttributeType.S).build();
  }

  private static KeySchemaElement key(String name, KeyType type) {
    return KeySchemaElement.builder().attributeName(name).keyType(type).build();
  }

  private static synchronized void tell(String line) {
    System.out.println(line);
  }

  /** Tells what it is given, and checkpoints after each batch. */
  private static class Processor implements ShardRecordProcessor {
    private final String worker;
    private String shard;

    Processor(String worker) {
      this.worker = worker;
    }

    @Override
    public void initialize(InitializationInput input) {
      shard = input.shardId();
      tell("begin " + worker + " " + shard);
    }

    @Override
    public void processRecords(ProcessRecordsInput input) {
      for (KinesisClientRecord record : input.records()) {
        byte[] data = new byte[record.data().remaining()];
        record.data().get(data);
        tell("record " + worker + " " + shard + " " + record.sequenceNumber() + " " + new String(data));
      }
      try {
        if (!input.records().isEmpty()) input.checkpointer().checkpoint();
      } catch (Exception error) {
        tell("error " + worker + " " + shard + " " + error);
      }
    }

    @Override
    public void leaseLost(LeaseLostInput input) {
      tell("lost " + worker + " " + shard);
    }

    @Override
    public void shardEnded(ShardEndedInput input) {
      tell("end " + worker + " " + shard);
      try {
        input.checkpointer().checkpoint();
      } catch (Exception error) {
        tell("error " + worker + " " + shard + " " + error);
      }
    }

    @Override
    public void shutdownRequested(ShutdownRequestedInput input) {
      try {
        input.checkpointer().checkpoint();
      } catch (Exception error) {
        tell("error " + worker + " " + shard + " " + error);
      }
    }
  }
}
