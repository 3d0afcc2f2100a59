import com.google.common.util.concurrent.FutureCallback;
import com.google.common.util.concurrent.Futures;
import com.google.common.util.concurrent.MoreExecutors;
import java.nio.ByteBuffer;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.kinesis.producer.KinesisProducer;
import software.amazon.kinesis.producer.KinesisProducerConfiguration;
import software.amazon.kinesis.producer.UserRecordResult;

/**
 * The KPL, aggregating, over TLS: {@code Produce PORT STREAM COUNT CERTIFICATE}. Puts the numbers from 0 to COUNT - 1 as text; says at its end
 * how many were stored: {@code stored N failed N}.
 */
public class Produce {
  public static void main(String[] args) throws Exception {
    int port = Integer.parseInt(args[0]);
    String stream = args[1];
    int count = Integer.parseInt(args[2]);

    KinesisProducerConfiguration config = new KinesisProducerConfiguration()
        .setKinesisEndpoint("127.0.0.1").setKinesisPort(port).setCaCertFile(args[3])
        .setStsEndpoint("127.0.0.1").setStsPort(port)
        .setRegion("us-east-1").setMetricsLevel("none").setAggregationEnabled(true).setRecordTtl(120_000)
        .setRequestTimeout(30_000)
        .setCredentialsProvider(StaticCredentialsProvider.create(AwsBasicCredentials.create("any", "any")));
    KinesisProducer producer = new KinesisProducer(config);
    AtomicInteger stored = new AtomicInteger();
    AtomicInteger failed = new AtomicInteger();
    CountDownLatch done = new CountDownLatch(count);
    Semaphore room = new Semaphore(20_000);
    FutureCallback<UserRecordResult> callback = new FutureCallback<>() {
      @Override
      public void onSuccess(UserRecordResult result) {
        settle(result.isSuccessful() ? stored : failed);
      }

      @Override
      public void onFailure(Throwable error) {
        if (failed.get() == 0) System.err.println(error);
        settle(failed);
      }

      private void settle(AtomicInteger outcome) {
        outcome.incrementAndGet();
        room.release();
        done.countDown();
      }
    };
    for (int at = 0; at < count; at++) {
      room.acquire();
      ByteBuffer data = ByteBuffer.wrap(Integer.toString(at).getBytes());
      Futures.addCallback(producer.addUserRecord(stream, "key-" + at % 1_000, data), callback,
          MoreExecutors.directExecutor());
    }
    producer.flush();
    done.await(180, TimeUnit.SECONDS);
    System.out.println("stored " + stored + " failed " + failed);
    producer.destroy();
    System.exit(0);
  }
}
